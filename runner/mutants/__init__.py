"""The test of the tests: the suite has to kill every bug seeded in tests/mutants."""

"""The command line: reads options, calls one function, shows what came back. Holds no logic."""

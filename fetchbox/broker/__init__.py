"""The partitioned log: its port, its rules and its adapters. Knows messages, not jobs."""

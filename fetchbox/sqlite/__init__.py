"""SQLite for the rooms that store in it: one writer thread, group commit, faults translated.

Knows no table.
"""

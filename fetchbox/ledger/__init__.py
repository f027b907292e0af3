"""The record of every job: its port and the SQLite adapter.

State is derived by model.job, not in SQL.
"""

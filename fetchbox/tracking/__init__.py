"""Applies status events to the ledger and prunes it. Never downloads."""

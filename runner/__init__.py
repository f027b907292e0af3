"""Starts a stack, runs the integration tests against it, reports. Never imports fetchbox."""

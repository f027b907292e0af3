"""Settings to adapters to running services. The only place that names an adapter.

Composes; decides nothing that a room could decide.
"""

"""Logs, metrics and tracing. Records what others decided; decides nothing."""

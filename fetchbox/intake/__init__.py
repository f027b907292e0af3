"""Accepting a manifest: dedupe, store, record, publish. Knows nothing of HTTP."""

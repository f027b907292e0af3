"""The one reader of TOML and environment: every key, its default, and all cross-checks.

No room below may import it; `derived` turns sections into the values rooms take.
"""

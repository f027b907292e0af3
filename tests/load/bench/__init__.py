"""Benchmarks: FetchBox against the raw relay and its peers, interleaved in one run."""

"""Peers of the benchmarks: other people's ways to the same result, as thin adapters."""

"""Measures the service beside what else one could take: `python -m benchmarks --help`."""

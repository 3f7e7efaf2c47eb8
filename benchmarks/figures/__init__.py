"""Checks the figures that README and guides state: `python -m benchmarks.figures` (`make figures-check`)."""

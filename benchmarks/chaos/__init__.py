"""Chaos tests: overload, faults, hostile requests. Each promise of docs/lab/reliability.md is one check."""

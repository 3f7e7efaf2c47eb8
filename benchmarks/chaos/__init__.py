"""Chaos: what a service meets in production, all of it on purpose; each promise of docs/lab/reliability.md is one check."""

"""Chaos: what a service meets in production, all of it on purpose; each promise of docs/reliability.md is one check."""

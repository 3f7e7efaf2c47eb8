"""Synthetic pictures: MNIST's digits as people write, photograph and scan them, and things that are no digit."""

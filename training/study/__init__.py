"""Experiments and explanations around the shipped model."""

"""Corrections by users: recent answers in memory, corrections on disk, nothing about the user."""

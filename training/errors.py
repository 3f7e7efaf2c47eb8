"""Errors of the training package: each says what failed, the actual and the expected value, and the remedy."""

from __future__ import annotations


class TrainingError(Exception):
    """Base of every error that this package raises on purpose; the CLI prints it as one line."""


class DataError(TrainingError):
    """The pictures to train or test on are missing, incomplete or of the wrong shape."""


class CheckpointError(TrainingError):
    """A run folder holds no usable weights, or weights of another run."""


class ExportError(TrainingError):
    """The exported graph does not have the promised shape, size or names."""


class ParityError(TrainingError):
    """Two implementations of the network disagree by more than the tolerance."""


class GateError(TrainingError):
    """A new version is not better enough, or forgot too much, to be published."""

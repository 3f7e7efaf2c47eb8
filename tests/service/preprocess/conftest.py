"""What the tests of preprocessing share."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.model.artifact import load_artifact
from service.model.session import DigitSession

MODELS = Path(__file__).resolve().parents[3] / "models" / "digits"


@pytest.fixture(scope="session")
def session() -> DigitSession:
    """Open the shipped model as the service does."""
    return DigitSession(load_artifact(MODELS), "cpu")

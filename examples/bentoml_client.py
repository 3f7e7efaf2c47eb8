"""Ask the service for the digit in an image: `python bentoml_client.py IMAGE [URL]`. Needs bentoml."""

from __future__ import annotations

import sys
from pathlib import Path

import bentoml
import httpx


def main(image: str, url: str = "http://127.0.0.1:3000") -> None:
    """Print the digit and its confidence, or why there is none."""
    try:
        with bentoml.SyncHTTPClient(url) as client:
            answer = client.predict(image=Path(image))
    except (OSError, httpx.HTTPError, bentoml.exceptions.BentoMLException) as error:
        sys.exit(f"error: {error}")  # the file, the connection, or the service's refusal
    if answer["digit"] is None:
        print(f"no digit: {answer['rejected']}")
    else:
        print(f"{answer['digit']}, confidence {answer['confidence']}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Ask the service for the digit in an image: `python with_requests.py IMAGE [URL]`. Needs requests."""

from __future__ import annotations

import sys
from pathlib import Path

import requests


def main(image: str, url: str = "http://127.0.0.1:3000") -> None:
    """Print the digit and its confidence, or why there is none."""
    try:
        reply = requests.post(f"{url}/predict", files={"image": Path(image).read_bytes()}, timeout=30)
    except OSError as error:  # the file, or the connection
        sys.exit(f"error: {error}")
    answer = reply.json()
    if not reply.ok:
        sys.exit(f"error: {answer['error']['message']}")
    if answer["digit"] is None:
        print(f"no digit: {answer['rejected']}")
    else:
        print(f"{answer['digit']}, confidence {answer['confidence']}")


if __name__ == "__main__":
    main(*sys.argv[1:])

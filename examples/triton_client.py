"""Ask the service for the digit in an image: `python triton_client.py IMAGE [URL]`. Needs tritonclient[http]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton


def main(image: str, url: str = "http://127.0.0.1:3000") -> None:
    """Print the digit and its probability, or why there is none.

    The protocol has no field for the confidence of the whole answer: this is the probability that it is this digit, if
    the image shows a digit at all.
    """
    try:
        files = np.array([Path(image).read_bytes()], object)  # image files, so that the service prepares them
        pictures = triton.InferInput("pictures", [len(files)], "BYTES")
        pictures.set_data_from_numpy(files)
        with triton.InferenceServerClient(url.removeprefix("http://")) as client:
            answer = client.infer("digits", [pictures])
    except (OSError, triton.InferenceServerException) as error:  # the file, the connection, or the service's refusal
        sys.exit(f"error: {error}")
    digit, rejected = answer.as_numpy("digit")[0], answer.as_numpy("rejected")[0].decode()
    if rejected:
        print(f"no digit: {rejected}")
    else:
        print(f"{digit}, probability {answer.as_numpy('probabilities')[0, digit]:.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What people send, brought to what the network was trained on: one file in, one 28 x 28 picture out."""

from __future__ import annotations

from service.preprocess.decode import MAX_PIXELS, decode_grey
from service.preprocess.pipeline import Prepared, prepare, preprocess

__all__ = ["MAX_PIXELS", "Prepared", "decode_grey", "prepare", "preprocess"]

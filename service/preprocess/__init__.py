"""What people send, brought to what the network was trained on: one file in, one 28 x 28 picture out."""

from __future__ import annotations

import cv2

from service.preprocess.decode import MAX_PIXELS, decode
from service.preprocess.pipeline import Prepared, prepare, preprocess, preprocess_at_once

cv2.setNumThreads(1)  # one picture is too little work to share, and the threads of a server are busy with others

__all__ = ["MAX_PIXELS", "Prepared", "decode", "prepare", "preprocess", "preprocess_at_once"]

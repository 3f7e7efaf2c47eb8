"""From an image file to the 28 x 28 picture that the network expects."""

from __future__ import annotations

import cv2

from service.preprocess.decode import MAX_PIXELS, decode
from service.preprocess.pipeline import Prepared, prepare, preprocess, preprocess_at_once

cv2.setNumThreads(1)  # one picture is too little work to share, and the threads of a server are busy with others

__all__ = ["MAX_PIXELS", "Prepared", "decode", "prepare", "preprocess", "preprocess_at_once"]

"""Files that visitors give the page, written by real encoders, and the ways in which they give them."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image, ImageDraw
from pillow_heif import register_heif_opener
from strokes import DIGITS
from visitor import Visit

register_heif_opener()
GIVE = """async ([files, how]) => {
  const transfer = new DataTransfer();
  for (const [name, type, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name, { type }));
  }
  const event = how === "drop"
    ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
  document.getElementById("pad").dispatchEvent(event);
}"""
TYPES = {"heic": "", "avif": "image/avif", "png": "image/png", "jpg": "image/jpeg"}  # Chromium does not know HEIC
NAMES = {"heic": "HEIF", "avif": "AVIF", "png": "PNG", "jpg": "JPEG"}

File = tuple[str, str, bytes]  # name, media type, content


def drawn(digit: str, suffix: str = "png", name: str = "") -> File:
    """Draw a digit on white, as a file of this kind."""
    page = Image.new("RGB", (280, 280), "white")
    pen = ImageDraw.Draw(page)
    for stroke in DIGITS[digit]:
        pen.line([(20 + x * 240, 20 + y * 240) for x, y in stroke], fill=(20, 20, 60), width=20, joint="curve")
    file = io.BytesIO()
    page.save(file, NAMES[suffix])
    return name or f"{digit}.{suffix}", TYPES[suffix], file.getvalue()


def blank(name: str = "blank.png") -> File:
    """Leave a page white."""
    file = io.BytesIO()
    Image.new("L", (200, 200), 255).save(file, "PNG")
    return name, "image/png", file.getvalue()


def give(visit: Visit, files: list[File], how: str) -> None:
    """Open, drop or paste files on the page."""
    if how == "open":
        chosen: list[Any] = [{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files]
        visit.find("#open").set_input_files(chosen)
    else:
        packed = [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files]
        visit.page.evaluate(GIVE, [packed, how])

"""Truncated files: measure by decoding how much of the picture can be read, and read that part on request."""

from __future__ import annotations

import io
import threading
import warnings

import numpy as np
from PIL import Image

from ..errors import ImageError
from . import png
from .kinds import Opener
from .samples import bands

# The end marker of a JPEG.
_END = b"\xff\xd9"
_WARNINGS_LOCK = threading.Lock()


class CutOffError(ImageError):
    """A file is truncated or damaged, but a part of its picture can be read.

    Args:
        name: the file's name.
        share: share of the picture that can be read, 0..1.
    """

    def __init__(self, name: str, share: float) -> None:
        super().__init__(
            f"{name} is cut off or damaged: {percent(share)} of the picture can be read. Look for a complete copy; "
            "--allow-damaged restores the readable part."
        )


def percent(share: float) -> str:
    """A share as a percentage; never 100 % if anything is missing, and never 0 % if anything is left."""
    if share >= 0.995:
        return "nearly all"
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def damage_note(share: float) -> str:
    """The note for a picture of which only a part was read."""
    return f"The file is cut off or damaged: {percent(share)} of the picture could be read; the rest is lost."


def load(image: Image.Image) -> None:
    """Load an image without Pillow's warning about large images, since its size was checked.

    Raises:
        Exception: whatever the decoder raises.
    """
    width, height = image.size
    if Image.MAX_IMAGE_PIXELS is None or width * height <= Image.MAX_IMAGE_PIXELS:
        image.load()
        return
    # Warning filters are global, so only one thread at a time may change them.
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image.load()


def load_jpeg_part(data: bytes, open_image: Opener) -> tuple[Image.Image, float]:
    """The picture of a truncated JPEG, and the share of its rows that could be decoded.

    The decoder fills missing rows with one flat colour, so the rows of only this colour, from the last one up, count as
    lost. In a progressive file all rows may be present at low quality.
    """
    image = open_image(io.BytesIO(data + _END))
    load(image)
    last = np.asarray(image.crop((image.width - 1, image.height - 1, image.width, image.height)))
    rows = image.height
    for band in reversed(list(bands(image.height, image.width))):
        samples = np.asarray(image.crop((0, band.start, image.width, band.stop)))
        differs = np.nonzero((samples != last.reshape(samples.shape[2:])).reshape(len(samples), -1).any(axis=1))[0]
        rows = band.start + int(differs[-1]) + 1 if len(differs) else band.start
        if len(differs):
            break
    return image, rows / image.height


def load_part(image: Image.Image) -> float:
    """Load as much of an image as possible; lost pixels are 0.

    Returns:
        The share of its rows that was decoded; 1 if nothing is missing.

    Raises:
        Exception: whatever the decoder raises if it decodes nothing.
    """
    try:
        load(image)
    except Exception:  # decoders raise any type of exception
        image.tile = []  # type: ignore[attr-defined]  # all that can be decoded has been
        try:
            box = image.getbbox(alpha_only=False)
        except Exception:  # not even an empty image exists
            box = None
        if box is None:
            raise
        return min(box[3] / image.height, 0.999)
    return 1.0


def mended_png(data: bytes, name: str) -> tuple[bytes, float]:
    """A complete PNG made from a truncated one, and the share of its samples that could be read.

    Raises:
        ImageError: nothing can be read.
    """
    mended = png.mended(data)
    if mended is None:
        raise ImageError(f"{name} is cut off or damaged before its first pixel.")
    return mended

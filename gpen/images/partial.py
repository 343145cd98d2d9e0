"""Files that end early: how much of the picture is there, by decoding it, and that part alone where it is asked for."""

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
    """A file ends early or is damaged, and a part of its picture can be read.

    Args:
        name: the file's name.
        share: of the picture that can be read, 0..1.
    """

    def __init__(self, name: str, share: float) -> None:
        super().__init__(
            f"{name} is cut off or damaged: {percent(share)} of the picture can be read. Look for a whole copy; "
            "--allow-damaged restores what is there."
        )


def percent(share: float) -> str:
    """A share in words: never all where something is missing, and never nothing where something is there."""
    if share >= 0.995:
        return "nearly all"
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def damage_note(share: float) -> str:
    """What is said of a picture of which a part was read."""
    return f"The file is cut off or damaged: {percent(share)} of the picture could be read; the rest is lost."


def load(image: Image.Image) -> None:
    """Load an image, without Pillow's warning of large ones: its size was checked.

    Raises:
        Exception: what the decoder raised.
    """
    width, height = image.size
    if Image.MAX_IMAGE_PIXELS is None or width * height <= Image.MAX_IMAGE_PIXELS:
        image.load()
        return
    # Warning filters are global: one at a time.
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image.load()


def load_jpeg_part(data: bytes, open_image: Opener) -> tuple[Image.Image, float]:
    """The picture of a JPEG that ends early, and the share of its rows that is there.

    The decoder fills what is missing with one flat colour; the rows that are this colour alone, up from the last, are
    what is lost. Of a progressive file all rows may be there, coarsely.
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
    """Load an image as far as it goes; what is lost is 0.

    Returns:
        The share of its rows that was decoded; 1 where nothing is missing.

    Raises:
        Exception: what the decoder raised, where nothing was decoded.
    """
    try:
        load(image)
    except Exception:  # decoders raise whatever they like
        image.tile = []  # type: ignore[attr-defined]  # all that can be decoded has been
        try:
            box = image.getbbox(alpha_only=False)
        except Exception:  # there is not even an empty image
            box = None
        if box is None:
            raise
        return min(box[3] / image.height, 0.999)
    return 1.0


def mended_png(data: bytes, name: str) -> tuple[bytes, float]:
    """A whole PNG in place of one that ends early, and the share of its samples that is there.

    Raises:
        ImageError: nothing is there.
    """
    mended = png.mended(data)
    if mended is None:
        raise ImageError(f"{name} is cut off or damaged before its first pixel.")
    return mended

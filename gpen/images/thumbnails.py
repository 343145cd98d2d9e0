"""Small copies of picture files for people to look at: 8-bit sRGB, upright and without metadata. Needs no torch.

What Pillow cannot read by itself, such as a TIFF of 16 bits, is read as for a restoration, which imports torch.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageOps

from ..errors import ImageError
from .formats import check_size
from .kinds import recognise

# Larger pictures are read one at a time, since each takes 120 MB or more.
_LARGE = 40_000_000
_LARGE_GUARD = threading.Lock()
# JPEG is decoded at a fraction of its size, but at least this many times as large as it is shown: an earlier reduction
# would look sharper or softer than that of the PNG beside it.
_OVERSAMPLED = 2.0
_HEAD = 256

Box = tuple[float, float, float, float]


class SmallPicture:
    """A picture that is read for thumbnails.

    Args:
        image: upright, of any of Pillow's modes that hold colours or grey, perhaps smaller than the file.
        size: (width, height) of the upright picture in the file.
        to_srgb: converts the colours of a small copy.
    """

    def __init__(
        self, image: Image.Image, size: tuple[int, int], to_srgb: Callable[[Image.Image], Image.Image]
    ) -> None:
        self.size = size
        self._image, self._to_srgb = image, to_srgb

    def whole(self, side: int) -> Image.Image:
        """The whole picture; its longer side has at most `side` pixels."""
        scale = min(1.0, side / max(self.size))
        width, height = (max(1, round(scale * length)) for length in self.size)
        return self._shrunk((width, height), (0, 0, *self._image.size))

    def square(self, box: Box, side: int) -> Image.Image:
        """The square of `side` pixels around a box, moved into the picture where it would reach out of it.

        Args:
            box: x0, y0, x1, y1 in 0..1 of width and height.
            side: its width and height in pixels.
        """
        width, height = self._image.size
        x0, y0, x1, y1 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
        # At least a pixel, whatever the box, and at most the picture.
        length = max(1.0, min(max(x1 - x0, y1 - y0), width, height))
        left = min(max((x0 + x1 - length) / 2, 0), width - length)
        top = min(max((y0 + y1 - length) / 2, 0), height - length)
        return self._shrunk((side, side), (left, top, left + length, top + length))

    def _shrunk(self, size: tuple[int, int], box: Box) -> Image.Image:
        image = self._image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3)
        return self._to_srgb(image)


def read_small(path: str | Path, side: int, finest: float = 0, data: bytes | None = None) -> SmallPicture:
    """Read a picture file for thumbnails, as small as its format allows.

    Args:
        path: the file.
        side: pixels of the longer side for `SmallPicture.whole`.
        finest: the scale in 0..1 at which squares are cut, if that is more.
        data: the content of the file, if it is no file of this machine.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with Path(path).open("rb") if data is None else io.BytesIO(data) as file:
            return _by_pillow(file, str(path), side, finest)
    except ImageError:
        raise
    except Exception:  # decoders raise any type of exception
        return _as_for_restoring(path, data)


def webp(image: Image.Image, quality: int) -> bytes:
    """An RGB image as the bytes of a lossy WebP without metadata.

    Args:
        image: the image.
        quality: 1..100.
    """
    data = io.BytesIO()
    # Method 2 takes half the time of the default, 4, for 3 % more bytes.
    image.save(data, "WEBP", quality=quality, method=2, icc_profile=b"", exif=b"", xmp=b"")
    return data.getvalue()


def laplacian_variance(image: Image.Image) -> float:
    """Sharpness of an image: variance of the Laplacian of its luma in 8-bit levels (Pech-Pacheco et al. 2000)."""
    luma = np.asarray(image.convert("L"), np.float32)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    return float(laplacian.var())


def _by_pillow(file: BinaryIO, name: str, side: int, finest: float) -> SmallPicture:
    _, opener = recognise(file.read(_HEAD), name)
    if opener is None:
        raise ValueError("camera raw")
    file.seek(0)
    image = opener(file)
    check_size(*image.size, name)
    stored = image.size
    scale = _OVERSAMPLED * max(side / max(stored), min(finest, 1))
    image.draft(None, (max(1, round(scale * stored[0])), max(1, round(scale * stored[1]))))
    profile = image.info.get("icc_profile")
    with _LARGE_GUARD if image.width * image.height > _LARGE else nullcontext():
        image.load()
    upright = _upright(image)
    turned = upright.size != image.size
    return SmallPicture(_plain(upright), (stored[1], stored[0]) if turned else stored, _converter(profile))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF
        return image


def _plain(upright: Image.Image) -> Image.Image:
    """An image in a mode that can be resized and converted to RGB.

    Raises:
        ValueError: there is no such mode for it, as for Lab and floating point.
    """
    if upright.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    if upright.mode in ("1", "P", "PA") or (upright.mode in ("L", "RGB") and upright.has_transparency_data):
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if upright.mode in ("LA", "La", "RGBA", "RGBa"):
        # Over white, as in a JPEG.
        upright = upright.convert("RGBA")
        white = Image.new("RGBA", upright.size, "white")
        white.alpha_composite(upright)
        return white.convert("RGB")
    if upright.mode not in ("L", "RGB", "CMYK", "YCbCr"):
        raise ValueError(f"the mode {upright.mode}, which Pillow does not convert")
    return upright


def _converter(profile: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """A function that converts images with a colour profile to sRGB."""
    if profile:
        from PIL import ImageCms

        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")

            def convert(image: Image.Image) -> Image.Image:
                try:
                    # Perceptual, as `read_picture` does.
                    result = ImageCms.profileToProfile(image, own, srgb, ImageCms.Intent(0), outputMode="RGB")
                except ImageCms.PyCMSError:  # a profile for another mode
                    return image.convert("RGB")
                return cast("Image.Image", result)

            return convert
        except (ImageCms.PyCMSError, OSError):
            pass
    return lambda image: image.convert("RGB")


def _as_for_restoring(path: str | Path, data: bytes | None) -> SmallPicture:
    from .read import read_bytes, read_picture
    from .samples import integer_array

    with _LARGE_GUARD:
        picture = read_picture(path, allow_damaged=True) if data is None else read_bytes(data, str(path))
        image = Image.fromarray(integer_array(picture.pixels, np.dtype(np.uint8)))
    return SmallPicture(image, image.size, _converter(picture.icc_profile))

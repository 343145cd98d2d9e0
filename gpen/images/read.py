"""Picture files to `Picture`: whole, upright, with their metadata, or one sentence about why not."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..errors import ImageError
from . import png, tiff
from .fileinfo import exif_of, file_info
from .metadata import exif_orientation, upright_exif, upright_xmp, xmp_orientation
from .modes import MODES, has_alpha, image_into, plain_image
from .picture import Picture
from .samples import bands, scale_into
from .sixteen import decode16, is_tiff16

MAX_PIXELS = 500_000_000
"""Larger pictures are refused unread: as a float32 tensor one of this size fills 6 GB. Of TIFF and WebP,
newer
releases of Pillow read no more than 178 megapixels."""

_SIGNATURES: tuple[tuple[bytes, str, Callable[[BinaryIO], Image.Image]], ...] = (
    (b"\xff\xd8\xff", "JPEG", jpeg_factory),
    (png.SIGNATURE, "PNG", PngImageFile),
    (b"II*\0", "TIFF", TiffImageFile),
    (b"MM\0*", "TIFF", TiffImageFile),
    (b"II+\0", "TIFF", TiffImageFile),
    (b"MM\0+", "TIFF", TiffImageFile),
    (b"GIF8", "GIF", GifImageFile),
    (b"BM", "BMP", BmpImageFile),
)
# What Pillow's plugins raise on files that are cut off or damaged.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# Formats in ISO boxes, by brand: format, module and class of the plugin, and the package it comes with.
_HEIC = ("HEIC", "pillow_heif", "HeifImageFile", "pillow-heif")
_AVIF = ("AVIF", "PIL.AvifImagePlugin", "AvifImageFile", "pillow 11.3 or later")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_BOXED = {b"avif": _AVIF, b"avis": _AVIF} | dict.fromkeys(_HEIC_BRANDS, _HEIC)
_WARNINGS_LOCK = threading.Lock()


def read_picture(path: str | Path) -> Picture:
    """Read a picture file.

    JPEG, PNG, WebP, TIFF, BMP and GIF; AVIF where Pillow has it; HEIC where pillow-heif is installed (the
    last two at 8 bits). 16-bit PNG and TIFF keep their depth. The EXIF orientation is applied to the pixels.
    Of an animation or a file of several pages the first is taken, and a note says so.

    Args:
        path: the file; its content decides what it is, not its suffix.

    Raises:
        ImageError: there is no such file, or it is empty, cut off, damaged, no picture, or above
            `MAX_PIXELS`.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path} is a folder or device, not a picture; name a file.")
        with path.open("rb") as file:
            return _read(file, str(path))
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}; check the name.") from None
    except PermissionError:
        raise ImageError(f"{path} may not be read; check its permissions.") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except MemoryError:
        raise ImageError(f"{path} needs more memory than is free; make it smaller.") from None


def _read(file: BinaryIO, name: str) -> Picture:
    head = file.read(32)
    kind, open_image = _recognise(head, name)
    with _damage_explained(name):
        tags = tiff.read_tags(file) if kind == "TIFF" else {}
        deep = is_tiff16(tags, name) if tags else kind == "PNG" and png.bit_depth(head) == 16
        file.seek(0)
        image = open_image(file)
        _check_size(image.size, name)
        n_frames = getattr(image, "n_frames", 1)
        # 16-bit files too: Pillow finds damage that OpenCV passes over, and metadata that follows the pixels.
        _load(image)
        info = file_info(image, kind, file, tags)
    exif = _exif(image)
    mode = MODES.get(image.mode, "grey")
    notes = _frames_note(kind, n_frames) + _layout_notes(tags, deep) + _gap_note(image, kind)
    if deep:
        transparency, icc_profile = image.info.get("transparency"), image.info.get("icc_profile")
        del image  # its 8-bit pixels make room
        file.seek(0)
        samples, with_alpha = decode16(file.read(), tags, transparency, name)
        size, fill = samples.shape[:2], partial(_samples_into, samples)
    else:
        image, more = plain_image(image)
        with_alpha, icc_profile, notes = has_alpha(image), image.info.get("icc_profile"), notes + more
        size, fill = (image.height, image.width), partial(image_into, image)
    # Pillow and OpenCV turn a TIFF upright themselves.
    orientation = 1 if kind == "TIFF" else _orientation(exif, info.xmp)
    planes, alpha = _upright_planes(size, orientation, with_alpha, fill)
    if exif is not None:
        try:
            exif = upright_exif(exif, *planes.shape[1:])
        except struct.error:
            exif, notes = None, (*notes, "The EXIF block is damaged and was left out.")
    return Picture(
        pixels=torch.from_numpy(planes)[None],
        alpha=None if alpha is None else torch.from_numpy(alpha)[None],
        bit_depth=16 if deep else 8,
        mode=mode,
        exif=exif,
        icc_profile=icc_profile,
        info=replace(info, xmp=upright_xmp(info.xmp) if info.xmp else None),
        n_frames=n_frames,
        notes=notes,
    )


def _recognise(head: bytes, name: str) -> tuple[str, Callable[[BinaryIO], Image.Image]]:
    if not head:
        raise ImageError(f"{name} is empty; it may have been lost in copying.")
    for signature, kind, opener in _SIGNATURES:
        if head.startswith(signature):
            return kind, opener
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP", WebPImageFile
    if head[4:8] == b"ftyp" and head[8:12] in _BOXED:
        kind, module, plugin, package = _BOXED[head[8:12]]
        try:
            return kind, getattr(import_module(module), plugin)
        except ImportError:
            raise ImageError(f"{name} is a {kind} picture; install {package} to read it, or save it as JPEG.") from None
    raise ImageError(f"{name} is no picture known here (JPEG, PNG, WebP, TIFF, BMP, GIF), whatever its suffix.")


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"{name} claims {width} x {height} pixels, more than {limit} million; make it smaller.")


@contextmanager
def _damage_explained(name: str) -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError:
        raise ImageError(f"{name} is larger than Pillow reads in this format; save it as JPEG or PNG.") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ImageError(f"{name} cannot be read; it is cut off, damaged or of a rare kind: {reason}.") from error


def _load(image: Image.Image) -> None:
    width, height = image.size
    if Image.MAX_IMAGE_PIXELS is None or width * height <= Image.MAX_IMAGE_PIXELS:
        image.load()
        return
    # Pillow warns of a large TIFF as it loads; its size was checked. Warning filters are global: one at a
    # time.
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image.load()


def _exif(image: Image.Image) -> bytes | None:
    """The EXIF block, None where there is none, or an empty one where it cannot be made sense of."""
    try:
        return exif_of(image)
    except _DAMAGE:
        return b""


def _frames_note(kind: str, n_frames: int) -> tuple[str, ...]:
    if n_frames == 1:
        return ()
    if kind == "JPEG":
        return (f"Of the {n_frames} pictures in the file only the main one was taken, no preview or depth map.",)
    return (f"Of the {n_frames} {'pages' if kind == 'TIFF' else 'frames'} in the file only the first was taken.",)


def _layout_notes(tags: dict[int, tuple[int, ...]], deep: bool) -> tuple[str, ...]:
    notes = []
    if 0 in tags.get(tiff.EXTRA_SAMPLES, ()):
        notes.append("A channel of the file that is neither colour nor alpha was left out.")
    if not deep and 16 in tags.get(tiff.BITS, ()):
        notes.append("The file's 16-bit samples are neither grey nor RGB and were read at 8 bits.")
    return tuple(notes)


def _gap_note(image: Image.Image, kind: str) -> tuple[str, ...]:
    """Whether the last rows are the flat 128 that libjpeg puts where a closed-off file lacks data."""
    if kind != "JPEG":
        return ()
    last_rows = np.asarray(image.crop((0, max(0, image.height - 8), image.width, image.height)))
    if not (last_rows == 128).all():
        return ()
    return ("The last rows are one flat grey, as where data is missing; the file may be damaged.",)


def _orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """EXIF decides; XMP where EXIF says nothing, as Pillow has it."""
    try:
        found = exif_orientation(exif) if exif else None
    except struct.error:
        found = None
    return found or (xmp_orientation(xmp) if xmp else 1)


def _upright_planes(
    size: tuple[int, int],
    orientation: int,
    with_alpha: bool,
    fill: Callable[[np.ndarray, np.ndarray | None], None],
) -> tuple[np.ndarray, np.ndarray | None]:
    """3 x H x W and 1 x H x W or None, float32, upright; `fill` sees them as the file stores them."""
    height, width = size if orientation < 5 else size[::-1]
    planes = np.empty((3, height, width), np.float32)
    alpha = np.empty((1, height, width), np.float32) if with_alpha else None
    fill(_as_stored(planes, orientation), None if alpha is None else _as_stored(alpha, orientation))
    return planes, alpha


def _as_stored(planes: np.ndarray, orientation: int) -> np.ndarray:
    """A view of upright C x H x W planes in the row order of a file with this EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        planes = planes.transpose(0, 2, 1)
    if orientation in (3, 4, 6, 7):
        planes = planes[:, ::-1]
    if orientation in (2, 3, 7, 8):
        planes = planes[:, :, ::-1]
    return planes


def _samples_into(samples: np.ndarray, planes: np.ndarray, alpha: np.ndarray | None) -> None:
    for rows in bands(*samples.shape[:2]):
        scale_into(planes[:, rows], None if alpha is None else alpha[:, rows], samples[rows])

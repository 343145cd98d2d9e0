"""What kind of picture a file holds, by its first bytes, and which plugin of Pillow reads it."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from importlib import import_module
from typing import BinaryIO

from PIL import Image

from ..errors import ImageError
from . import png

RAW = "camera raw"
"""The kind of a file of a camera's sensor, which has to be developed."""

Opener = Callable[[BinaryIO], Image.Image]

# Signature, kind, module and class of Pillow's plugin.
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG", "JpegImagePlugin", "JpegImageFile"),
    (png.SIGNATURE, "PNG", "PngImagePlugin", "PngImageFile"),
    (b"II*\0", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"MM\0*", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"II+\0", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"MM\0+", "TIFF", "TiffImagePlugin", "TiffImageFile"),
    (b"GIF8", "GIF", "GifImagePlugin", "GifImageFile"),
    (b"BM", "BMP", "BmpImagePlugin", "BmpImageFile"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    (b"\xff\x4f\xff\x51", "JPEG 2000", "Jpeg2KImagePlugin", "Jpeg2KImageFile"),
)
# Raw files that are no TIFF, by their first bytes: Olympus, Panasonic, Fujifilm, Sigma, Minolta, Canon of old.
_RAW_SIGNATURES = (
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"IIU\0",
    b"FUJIFILMCCD-RAW",
    b"FOVb",
    b"\0MRM",
    b"II\x1a\0\0\0HEAPCCDR",
)
# Brands of ISO boxes, the most telling first (ISO 23008-12, AV1 Image File Format 1.1, Canon's own).
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_CR3 = {b"crx "}
# What people take for pictures and is none, or is one that nothing here reads.
_OTHERS = (
    (b"%PDF", "a PDF document; take its pictures out first (pdfimages does)"),
    (b"8BPS", "a Photoshop document; save it as TIFF or PNG"),
    (b"8BPB", "a Photoshop document; save it as TIFF or PNG"),
    (b"\xff\x0a", "a JPEG XL picture, which is not read here; save it as JPEG or PNG"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture, which is not read here; save it as JPEG or PNG"),
    (b"II\xbc\x01", "a JPEG XR picture, which is not read here; save it as JPEG or PNG"),
    (b"v/1\x01", "an OpenEXR picture without a fixed white; save it as 16-bit TIFF or PNG"),
    (b"<svg", "a drawing (SVG), not a photograph"),
)
_VIDEOS = {b"isom", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V "}


def recognise(head: bytes, name: str) -> tuple[str, Opener | None]:
    """The kind of a file, and what opens it; a camera raw file has no opener.

    Args:
        head: the first bytes of the file, 64 or more.
        name: the file's name, for messages.

    Raises:
        ImageError: it is empty, no picture, or one that nothing installed here reads.
    """
    if not head:
        raise ImageError(f"{name} is empty; it may have been lost in copying.")
    if head.startswith(_RAW_SIGNATURES) or (head[:4] == b"II*\0" and head[8:10] == b"CR"):
        return RAW, None
    for signature, kind, module, plugin in _SIGNATURES:
        if head.startswith(signature):
            return kind, _plugin(f"PIL.{module}", plugin)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP", _plugin("PIL.WebPImagePlugin", "WebPImageFile")
    if head[4:8] == b"ftyp":
        return _boxed(head, name)
    for signature, what in _OTHERS:
        if head.startswith(signature):
            raise ImageError(f"{name} is {what}.")
    raise ImageError(f"{name} is no picture known here (JPEG, PNG, WebP, TIFF, BMP, GIF), whatever its suffix.")


def raw_picture(name: str) -> ImageError:
    """What is said of a raw file where nothing can develop it."""
    return ImageError(
        f"{name} is a camera raw file; develop it first and save it as TIFF or JPEG, or install rawpy to have that "
        "done here."
    )


def _boxed(head: bytes, name: str) -> tuple[str, Opener | None]:
    """A file in ISO boxes: the major brand may be the general one (mif1), and then the compatible ones decide."""
    brands = _brands(head)
    if head[8:12] in _CR3:
        return RAW, None
    # A file may call itself compatible with both; then its major brand has the word.
    if brands & _AVIF and head[8:12] not in _HEIC - {b"mif1", b"msf1"}:
        return "AVIF", _installed("PIL.AvifImagePlugin", "AvifImageFile", f"{name} is an AVIF", "pillow 11.3 or later")
    if brands & _HEIC:
        return "HEIC", _installed("pillow_heif", "HeifImageFile", f"{name} is a HEIC", "pillow-heif")
    if brands & _VIDEOS:
        raise ImageError(f"{name} is a video, not a picture.")
    raise ImageError(f"{name} is no picture known here (its brand is {head[8:12].decode('ascii', 'replace')}).")


def has_gain_map(head: bytes) -> bool:
    """Whether a file in ISO boxes says that it holds a gain map beside its picture (ISO 21496-1: `tmap`)."""
    return head[4:8] == b"ftyp" and b"tmap" in _brands(head)


def _brands(head: bytes) -> set[bytes]:
    (length,) = struct.unpack(">I", head[:4])
    return {head[8:12], *re.findall(rb"(?s).{4}", head[16 : min(length, len(head))])}


def _installed(module: str, plugin: str, what: str, package: str) -> Opener:
    try:
        return _plugin(module, plugin)
    except ImportError:
        raise ImageError(f"{what} picture; install {package} to read it, or save it as JPEG.") from None


def _plugin(module: str, plugin: str) -> Opener:
    return getattr(import_module(module), plugin)

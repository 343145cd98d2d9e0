"""Identify the kind of a picture file by its first bytes, and the Pillow plugin that reads it."""

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
"""Kind of a camera raw file, which has to be developed."""

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
# First bytes of raw files that are not TIFF: Olympus, Panasonic, Fujifilm, Sigma, Minolta, old Canon.
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
# Brands of ISO boxes, the most specific first (ISO 23008-12, AV1 Image File Format 1.1, Canon).
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_CR3 = {b"crx "}
# Files that are easily taken for readable pictures.
_OTHERS = (
    (b"%PDF", "a PDF document; extract its pictures first, for example with pdfimages"),
    (b"8BPS", "a Photoshop document; save it as TIFF or PNG"),
    (b"8BPB", "a Photoshop document; save it as TIFF or PNG"),
    (b"\xff\x0a", "a JPEG XL picture, which is not read here; save it as JPEG or PNG"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture, which is not read here; save it as JPEG or PNG"),
    (b"II\xbc\x01", "a JPEG XR picture, which is not read here; save it as JPEG or PNG"),
    (b"v/1\x01", "an OpenEXR picture, which has no fixed white point; save it as 16-bit TIFF or PNG"),
    (b"<svg", "a drawing (SVG), not a photograph"),
)
_VIDEOS = {b"isom", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V "}


def recognise(head: bytes, name: str) -> tuple[str, Opener | None]:
    """The kind of a file and its opener; a camera raw file has no opener.

    Args:
        head: the first bytes of the file, at least 64.
        name: the file's name, for messages.

    Raises:
        ImageError: the file is empty, is not a picture, or cannot be read with the installed packages.
    """
    if not head:
        raise ImageError(f"{name} is empty; it may not have been copied completely.")
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
    raise ImageError(f"{name} is not a known picture (JPEG, PNG, WebP, TIFF, BMP, GIF), whatever its suffix.")


def raw_picture(name: str) -> ImageError:
    """The error for a raw file if rawpy is not installed."""
    return ImageError(
        f"{name} is a camera raw file; develop it and save it as TIFF or JPEG, or install rawpy, which can develop "
        "it here."
    )


def _boxed(head: bytes, name: str) -> tuple[str, Opener | None]:
    """A file in ISO boxes. If the major brand is the general one (mif1), the compatible brands decide."""
    brands = _brands(head)
    if head[8:12] in _CR3:
        return RAW, None
    # A file may list both as compatible; then its major brand decides.
    if brands & _AVIF and head[8:12] not in _HEIC - {b"mif1", b"msf1"}:
        return "AVIF", _installed("PIL.AvifImagePlugin", "AvifImageFile", f"{name} is an AVIF", "pillow 11.3 or later")
    if brands & _HEIC:
        return "HEIC", _installed("pillow_heif", "HeifImageFile", f"{name} is a HEIC", "pillow-heif")
    if brands & _VIDEOS:
        raise ImageError(f"{name} is a video, not a picture; `gpen video` and GPEN Video Restore restore videos.")
    raise ImageError(f"{name} is not a known picture (its brand is {head[8:12].decode('ascii', 'replace')}).")


def has_gain_map(head: bytes) -> bool:
    """Whether a file in ISO boxes declares a gain map (ISO 21496-1: `tmap`)."""
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

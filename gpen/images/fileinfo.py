"""Collect the metadata of a picture file from an image that Pillow has loaded."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from . import photoshop, png, tiff
from .picture import FileInfo

_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_RAW_PROFILE = re.compile(r"Raw profile type (\w+)")
# Lossy compressions of TIFF: both kinds of JPEG, and WebP.
_LOSSY_TIFF = {6, 7, 50001}


def file_info(image: Image.Image, kind: str, file: BinaryIO) -> FileInfo:
    """Metadata needed for writing.

    Args:
        image: the loaded image, with `file` still open.
        kind: its format, any but TIFF.
        file: the file itself.
    """
    info: dict[str, Any] = {"lossless": kind in ("PNG", "BMP", "GIF")}
    if kind == "WebP":
        info["lossless"] = _is_lossless_webp(file)
    if isinstance(image, JpegImageFile):
        sampling = get_sampling(image)
        info |= {
            "comment": image.info.get("comment"),
            "jpeg_tables": tuple(tuple(table) for _, table in sorted(image.quantization.items())),
            "jpeg_subsampling": sampling if sampling in (0, 1, 2) else None,
            "progressive": bool(image.info.get("progressive")),
        }
    return FileInfo(format=kind, dpi=dpi_of(image.info.get("dpi")), xmp=_xmp(image), **info)


def tiff_info(file: BinaryIO, directory: TiffImagePlugin.ImageFileDirectory_v2) -> FileInfo:
    """Metadata of a TIFF page needed for writing."""
    across, down = (directory.get(tag) for tag in (tiff.RESOLUTION_X, tiff.RESOLUTION_Y))
    unit = directory.get(tiff.RESOLUTION_UNIT, tiff.INCH)
    scale = {tiff.INCH: 1.0, tiff.CENTIMETRE: 2.54}.get(unit)
    dpi = dpi_of((across, down))
    xmp = directory.get(tiff.XMP)
    return FileInfo(
        format="TIFF",
        lossless=not _LOSSY_TIFF & set(tiff.values_of(directory, tiff.COMPRESSION)),
        dpi=dpi_of((dpi[0] * scale, dpi[1] * scale)) if dpi and scale else None,
        xmp=xmp if isinstance(xmp, bytes) and xmp else None,
        photoshop=tiff.photoshop_block(file, directory),
    )


def png_info(info: FileInfo, chunks: Sequence[tuple[bytes, bytes]]) -> tuple[FileInfo, dict[str, bytes | None]]:
    """Add the metadata in a PNG's chunks.

    Args:
        info: result of `file_info`.
        chunks: (type, data) of the colour, profile and text chunks.

    Returns:
        The completed metadata, and `exif` and `icc_profile` if a text or profile chunk holds them; the value of a
        damaged one is None.
    """
    kept, blocks = [], {}
    for kind, data in chunks:
        keyword, text = png.text_of(kind, data) if kind in png.TEXT else ("", None)
        profile = _RAW_PROFILE.fullmatch(keyword)
        if kind == b"iCCP":
            blocks["icc_profile"] = png.inflate(data.partition(b"\0")[2][1:])
        elif keyword == _XMP_KEYWORD:
            info = replace(info, xmp=text or None)
        elif profile and profile[1].lower() in ("exif", "app1"):
            blocks["exif"] = _unhex(text)
        elif profile and profile[1].lower() in ("iptc", "8bim"):
            block = _unhex(text)
            info = replace(info, photoshop=photoshop.without_thumbnails(block) if block else None)
        elif not profile:
            kept.append((kind, data))
    return replace(info, png_chunks=tuple(kept)), blocks


def _unhex(text: bytes | None) -> bytes | None:
    """Decode a block as ImageMagick writes it to a PNG: its name, its length, and lines of hexadecimal digits."""
    try:
        return bytes.fromhex("".join((text or b"").decode("ascii").split("\n")[3:]))
    except ValueError:
        return None


def exif_of(block: bytes | None) -> bytes | None:
    """An EXIF block, starting at its TIFF header, or None."""
    while block and block.startswith(b"Exif\0\0"):
        block = block[6:]
    return block or None


def dpi_of(value: Any) -> tuple[float, float] | None:
    """Horizontal and vertical dots per inch, or None if the file gives no plausible values."""
    try:
        across, down = (float(number) for number in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(v) and 0 < v < 65536 for v in (across, down)) else None


def _xmp(image: Image.Image) -> bytes | None:
    packet: Any = image.info.get("xmp")
    for segment, data in getattr(image, "applist", ()):
        if segment == "APP1" and data.startswith(_XMP_SEGMENT):
            packet = data[len(_XMP_SEGMENT) :]
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    return packet if isinstance(packet, bytes) and packet else None


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the first image chunk of a WebP file is lossless (RFC 9649, section 2)."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        chunk, length = struct.unpack("<4sI", head)
        if chunk in (b"VP8L", b"VP8 "):
            return chunk == b"VP8L"
        # A frame of an animation: its own chunks follow 16 bytes of geometry.
        file.seek(16 if chunk == b"ANMF" else length + length % 2, io.SEEK_CUR)
    return False

"""What a picture file says beside its pixels, gathered from an image that Pillow has loaded."""

from __future__ import annotations

import io
import math
import struct
from typing import Any, BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from . import png, tiff
from .picture import FileInfo

_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_KEYWORD = b"XML:com.adobe.xmp"
# Lossy compressions of TIFF: both kinds of JPEG, and WebP.
_LOSSY_TIFF = {6, 7, 50001}


def file_info(image: Image.Image, kind: str, file: BinaryIO, tags: dict[int, tuple[int, ...]]) -> FileInfo:
    """What writing needs to know.

    Args:
        image: loaded, with `file` still open.
        kind: its format.
        file: the file itself.
        tags: layout tags of a TIFF.
    """
    info: dict[str, Any] = {"lossless": kind in ("PNG", "BMP", "GIF")}
    if kind == "TIFF":
        info["lossless"] = not _LOSSY_TIFF & set(tags[tiff.COMPRESSION])
    if kind == "WebP":
        info["lossless"] = _is_lossless_webp(file)
    if kind == "PNG":
        info["png_chunks"] = tuple(
            (chunk, data)
            for chunk, data in png.read_chunks(file, png.COLOR + png.TEXT)
            if not data.startswith((_XMP_KEYWORD, b"Raw profile type "))
        )
    if isinstance(image, JpegImageFile):
        sampling = get_sampling(image)
        info |= {
            "comment": image.info.get("comment"),
            "jpeg_tables": tuple(tuple(table) for _, table in sorted(image.quantization.items())),
            "jpeg_subsampling": sampling if sampling in (0, 1, 2) else None,
            "progressive": bool(image.info.get("progressive")),
        }
    return FileInfo(format=kind, dpi=_dpi(image), xmp=_xmp(image), **info)


def exif_of(image: Image.Image) -> bytes | None:
    """The EXIF block from its TIFF header on, or None."""
    if "Raw profile type exif" in image.info and "exif" not in image.info:  # ImageMagick's way in a PNG
        block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    else:
        block = tiff.exif_block(image) if image.format == "TIFF" else image.info.get("exif")
    while block and block.startswith(b"Exif\0\0"):
        block = block[6:]
    return block or None


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if all(math.isfinite(v) and 0 < v < 65536 for v in (across, down)) else None


def _xmp(image: Image.Image) -> bytes | None:
    packet: Any = image.info.get("xmp") or image.info.get(_XMP_KEYWORD.decode())
    if image.format == "TIFF":
        packet = image.tag_v2.get(tiff.XMP)  # pyright: ignore[reportAttributeAccessIssue]
    for segment, data in getattr(image, "applist", ()):
        if segment == "APP1" and data.startswith(_XMP_SEGMENT):
            packet = data[len(_XMP_SEGMENT) :]
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    return packet if isinstance(packet, bytes) and packet else None


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the first image chunk of a WebP file is a lossless one (RFC 9649, section 2)."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        chunk, length = struct.unpack("<4sI", head)
        if chunk in (b"VP8L", b"VP8 "):
            return chunk == b"VP8L"
        # A frame of an animation: its own chunks follow 16 bytes of geometry.
        file.seek(16 if chunk == b"ANMF" else length + length % 2, io.SEEK_CUR)
    return False

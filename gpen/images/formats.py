"""The formats of picture files by their suffixes. This module imports nothing."""

from __future__ import annotations

from ..errors import ImageError

# The format of each suffix that can be written.
WRITABLE_FORMATS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
WRITABLE = frozenset(WRITABLE_FORMATS)
READABLE = WRITABLE | {
    *(".mpo", ".apng", ".bmp", ".gif", ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jpf", ".jpx")
}
# Camera raw files: read if rawpy is installed.
RAW_SUFFIXES = frozenset(
    (".dng", ".nef", ".nrw", ".arw", ".sr2", ".cr2", ".cr3", ".crw", ".raf", ".orf", ".rw2", ".pef", ".srw")
)
# For PNG and TIFF. zlib's level 6 makes files of photographs 5 to 8 % smaller but takes four times as long.
DEFLATE_LEVEL = 3
MAX_PIXELS = 500_000_000
"""Larger pictures are refused before reading: at this size the float32 tensor takes 6 GB. Newer releases of Pillow read
TIFF and WebP only up to 178 megapixels."""


def check_size(width: int, height: int, name: str) -> None:
    """Check that a picture has at most `MAX_PIXELS`.

    Raises:
        ImageError: it declares to be larger.
    """
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"{name} has {width} x {height} pixels; the limit is {limit} million. Make it smaller.")

"""The formats of picture files by their suffixes. This module imports nothing."""

from __future__ import annotations

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

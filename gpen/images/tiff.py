"""TIFF tags, and TIFF files written so that an EXIF block moves in unchanged.

Source of the layout: TIFF 6.0 (Adobe 1992), sections 2 (directories), 8 (tags), 14 (predictor), 18 (alpha).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from ..errors import ImageError
from .metadata import EXIF_IFD, GPS_IFD, ByteOrder, byte_order, first_ifd, read_ifd
from .samples import DEFLATE_LEVEL

BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES, PLANAR, SAMPLE_FORMAT = 258, 259, 262, 338, 284, 339
XMP, ICC_PROFILE = 700, 34675
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2
# Tags that describe a photograph and not its file's layout: title, camera, software, dates, people, rating.
_DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, 40091, 40092, 40093, 40094, 40095}
_RESOLUTION_X, _RESOLUTION_Y, _RESOLUTION_UNIT, _INCH = 282, 283, 296, 2
# How `struct` writes each type of value: BYTE, SHORT, LONG, RATIONAL, UNDEFINED.
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 3, 4, 5, 7
_CODES = {_BYTE: "B", _SHORT: "H", _LONG: "I", _RATIONAL: "I", _UNDEFINED: "B"}


def read_tags(file: BinaryIO) -> dict[int, tuple[int, ...]]:
    """The tags that say how a TIFF's first page is laid out, each as a tuple of integers, empty where absent.

    Raises:
        SyntaxError: it is no TIFF file.
    """
    file.seek(0)
    head = file.read(16)
    bigtiff = 43 in (head[2], head[3])
    directory = TiffImagePlugin.ImageFileDirectory_v2(head if bigtiff else head[:8])
    file.seek(directory.next)
    directory.load(file)
    tags = {}
    for tag in (BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES, PLANAR, SAMPLE_FORMAT):
        value = directory.get(tag, ())
        tags[tag] = value if isinstance(value, tuple) else (value,)
    return tags


def exif_block(image: Image.Image) -> bytes | None:
    """The descriptive tags of an open TIFF, with its EXIF and GPS directories, as an EXIF block."""
    source = image.getexif()
    kept = Image.Exif()
    for tag in _DESCRIPTIVE & set(source):
        kept[tag] = source[tag]
    for tag in (EXIF_IFD, GPS_IFD):
        if inner := source.get_ifd(tag):
            kept[tag] = dict(inner)
    return kept.tobytes()[6:] if len(kept) else None


def write_tiff(
    file: BinaryIO,
    size: tuple[int, int],
    samples: Iterable[np.ndarray],
    *,
    exif: bytes | None,
    icc_profile: bytes | None,
    xmp: bytes | None,
    dpi: tuple[float, float] | None,
) -> None:
    """Write a deflated TIFF.

    1. The EXIF block opens the file: it is a TIFF structure itself, so its offsets stay true.
    2. One strip a band follows, in the block's byte order, with horizontal differencing.
    3. The directory comes last: the block's descriptive entries as they are, and the picture's own.

    Args:
        file: open for writing, at its start.
        size: (height, width).
        samples: bands of rows x W x C uint8 or uint16 from top to bottom, all but the last equally high; C
            is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        exif: an undamaged EXIF block, or None.
        icc_profile: goes into its tag.
        xmp: goes into its tag.
        dpi: dots per inch across and down, or None.

    Raises:
        ImageError: the file would pass the 4 GB that a TIFF can hold.
    """
    block = exif or b"II*\0\0\0\0\0"
    directory = _Directory(file, byte_order(block))
    file.write(block)
    strips: list[tuple[int, int]] = []
    shapes: list[tuple[int, ...]] = []
    bits = 8
    for band in samples:
        strips.append(directory.append(_strip(band, directory.order)))
        shapes.append(band.shape)
        bits = 8 * band.itemsize
    rows_per_strip, _, channels = shapes[0]

    if exif:
        directory.adopt(block)
    directory.set(256, _LONG, [size[1]])
    directory.set(257, _LONG, [size[0]])
    directory.set(BITS, _SHORT, [bits] * channels)
    directory.set(COMPRESSION, _SHORT, [8])  # deflate
    directory.set(PHOTOMETRIC, _SHORT, [MIN_IS_BLACK if channels < 3 else RGB])
    directory.set(273, _LONG, [offset for offset, _ in strips])
    directory.set(277, _SHORT, [channels])
    directory.set(278, _LONG, [rows_per_strip])
    directory.set(279, _LONG, [length for _, length in strips])
    directory.set(PLANAR, _SHORT, [1])  # samples of a pixel lie together
    directory.set(317, _SHORT, [2])  # predictor: horizontal differencing
    if channels in (2, 4):
        directory.set(EXTRA_SAMPLES, _SHORT, [UNASSOCIATED_ALPHA])
    if dpi:
        directory.set(_RESOLUTION_X, _RATIONAL, [round(dpi[0] * 1000), 1000])
        directory.set(_RESOLUTION_Y, _RATIONAL, [round(dpi[1] * 1000), 1000])
        directory.set(_RESOLUTION_UNIT, _SHORT, [_INCH])
    if xmp:
        directory.set(XMP, _BYTE, xmp)
    if icc_profile:
        directory.set(ICC_PROFILE, _UNDEFINED, icc_profile)
    directory.write()


def _strip(band: np.ndarray, order: ByteOrder) -> bytes:
    differences = band.astype(band.dtype.newbyteorder(order))
    differences[:, 1:] -= band[:, :-1]
    return zlib.compress(differences.tobytes(), DEFLATE_LEVEL)


class _Directory:
    """A directory (IFD) of a TIFF file that is being written."""

    def __init__(self, file: BinaryIO, order: ByteOrder) -> None:
        self.order: ByteOrder = order
        self._file = file
        self._entries: dict[int, bytes] = {}

    def append(self, data: bytes) -> tuple[int, int]:
        """Write data at the next even place; gives its (offset, length)."""
        offset = self._file.tell()
        offset += self._file.write(b"\0" * (offset % 2))
        if offset + len(data) >= 1 << 32:
            raise ImageError("The picture is too large for a TIFF file, which ends at 4 GB; write it as PNG.")
        return offset, self._file.write(data)

    def adopt(self, block: bytes) -> None:
        """Take over the descriptive entries of the EXIF block that opens the file, and its inner links."""
        kept = _DESCRIPTIVE | {EXIF_IFD, GPS_IFD, _RESOLUTION_X, _RESOLUTION_Y, _RESOLUTION_UNIT}
        for entry in read_ifd(block, first_ifd(block)):
            if entry.tag in kept:
                self._entries[entry.tag] = block[entry.at - 8 : entry.at + 4]

    def set(self, tag: int, kind: int, values: Sequence[int]) -> None:
        """Set a tag to values of a TIFF type; a RATIONAL is a pair of them."""
        data = struct.pack(f"{self.order}{len(values)}{_CODES[kind]}", *values)
        count = len(values) // 2 if kind == _RATIONAL else len(values)
        if len(data) > 4:
            data = struct.pack(f"{self.order}I", self.append(data)[0])
        self._entries[tag] = struct.pack(f"{self.order}HHI", tag, kind, count) + data.ljust(4, b"\0")

    def write(self) -> None:
        """Write the directory at the end of the file and its place into the header."""
        entries = [self._entries[tag] for tag in sorted(self._entries)]
        end = struct.pack(f"{self.order}I", 0)
        offset, _ = self.append(struct.pack(f"{self.order}H", len(entries)) + b"".join(entries) + end)
        self._file.seek(4)
        self._file.write(struct.pack(f"{self.order}I", offset))
        self._file.seek(0, io.SEEK_END)

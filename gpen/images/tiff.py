"""TIFF tags, and a TIFF writer that keeps an EXIF block unchanged.

Source of the layout: TIFF 6.0 (Adobe 1992), sections 2 (directories), 8 (tags), 14 (predictor), 18 (alpha).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from ..errors import ImageError
from .formats import DEFLATE_LEVEL
from .metadata import EXIF_IFD, GPS_IFD, ORIENTATION, ByteOrder, byte_order, first_ifd, read_ifd
from .photoshop import iptc_of, with_iptc, without_iptc, without_thumbnails

WIDTH, HEIGHT = 256, 257
BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES, PLANAR, SAMPLE_FORMAT = 258, 259, 262, 338, 284, 339
XMP, ICC_PROFILE = 700, 34675
MIN_IS_WHITE, MIN_IS_BLACK, RGB = 0, 1, 2
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2
# Tags that describe the photograph, not the layout of its file: title, camera, software, dates, people, rating.
_DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, 40091, 40092, 40093, 40094, 40095}
LAYOUT = (BITS, COMPRESSION, PHOTOMETRIC, EXTRA_SAMPLES, PLANAR, SAMPLE_FORMAT, ORIENTATION)
_IPTC, _PHOTOSHOP = 33723, 34377
# Sub-pages; the DNG version; sensor data behind a colour filter, and linearised sensor data.
_SUB_IFDS, _DNG_VERSION, _COLOR_FILTER, _LINEAR_RAW = 330, 50706, 32803, 34892
_MOST_SUB_IFDS = 16
_STRIP_OFFSETS, _ROWS_PER_STRIP, _OLD_JPEG = 273, 278, 6
_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4
_MOST_DIRECTORIES = 10_000
RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT, INCH, CENTIMETRE = 282, 283, 296, 2, 3
# `struct` format of each value type: BYTE, SHORT, LONG, RATIONAL, UNDEFINED.
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 3, 4, 5, 7
_CODES = {_BYTE: "B", _SHORT: "H", _LONG: "I", _RATIONAL: "I", _UNDEFINED: "B"}


def read_pages(file: BinaryIO) -> list[tuple[int, TiffImagePlugin.ImageFileDirectory_v2]]:
    """The directories of a file's pages, each with its index in the chain of all directories.

    Thumbnails and masks are not pages; the first directory always is.

    Raises:
        SyntaxError: it is not a TIFF file.
    """
    pages, offset, seen = [], None, set()
    for place in range(_MOST_DIRECTORIES):
        try:
            directory = _directory_at(file, offset)
        except Exception:  # a damaged chain can raise anything
            if not place:
                raise
            break
        if not place or not any(kind & (_REDUCED | _MASK) for kind in values_of(directory, _SUBFILE_TYPE)):
            pages.append((place, directory))
        offset = directory.next
        if not offset or offset in seen:
            break
        seen.add(offset)
    return pages


def values_of(directory: TiffImagePlugin.ImageFileDirectory_v2, tag: int) -> tuple[Any, ...]:
    """The values of a tag; empty if it is missing."""
    value = directory.get(tag, ())
    return value if isinstance(value, tuple) else (value,)


def declared_share(directory: TiffImagePlugin.ImageFileDirectory_v2) -> float:
    """The share of a page for which its directory names strips; 1 for tiles or if unknown."""
    height, rows = (values_of(directory, tag)[:1] for tag in (HEIGHT, _ROWS_PER_STRIP))
    strips = len(values_of(directory, _STRIP_OFFSETS))
    # Old-style JPEG stores its data differently. Without RowsPerStrip there is one strip.
    if not (height and rows and rows[0] and strips) or _OLD_JPEG in values_of(directory, COMPRESSION):
        return 1.0
    planes = max(1, len(values_of(directory, BITS))) if 2 in values_of(directory, PLANAR) else 1
    return min(1.0, strips / max(1, planes * -(-height[0] // rows[0])))


def is_raw(file: BinaryIO, directory: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Whether a TIFF holds raw sensor data: a DNG, or a page or sub-page with a colour filter array."""
    if _DNG_VERSION in directory or _is_sensor(directory):
        return True
    for offset in values_of(directory, _SUB_IFDS)[:_MOST_SUB_IFDS]:
        try:
            if _is_sensor(_directory_at(file, offset)):
                return True
        except (SyntaxError, ValueError, TypeError, OSError, struct.error):
            continue  # a damaged sub-page does not matter
    return False


def _is_sensor(directory: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    return bool({_COLOR_FILTER, _LINEAR_RAW} & set(values_of(directory, PHOTOMETRIC)))


def _directory_at(file: BinaryIO, offset: int | None) -> TiffImagePlugin.ImageFileDirectory_v2:
    file.seek(0)
    head = file.read(16)
    bigtiff = 43 in (head[2], head[3])
    directory = TiffImagePlugin.ImageFileDirectory_v2(head if bigtiff else head[:8])
    file.seek(directory.next if offset is None else offset)
    directory.load(file)
    return directory


def photoshop_block(file: BinaryIO, directory: TiffImagePlugin.ImageFileDirectory_v2) -> bytes | None:
    """Photoshop's image resources of a page, including the IPTC records of their separate tag, or None."""
    try:
        block, iptc = _raw_value(file, directory, _PHOTOSHOP), _raw_value(file, directory, _IPTC)
    except struct.error:  # cut off
        return None
    block = without_thumbnails(block) if block else None
    return with_iptc(block, iptc) if iptc else block


def _raw_value(file: BinaryIO, directory: TiffImagePlugin.ImageFileDirectory_v2, tag: int) -> bytes | None:
    """The raw bytes of a tag; Photoshop declares IPTC as LONG although it consists of bytes."""
    file.seek(0)
    head = file.read(4)
    order = "<" if head[:2] == b"II" else ">"
    # BigTIFF: an 8-byte count, and entries of 20 bytes, of which 8 hold the value.
    count, entry, room = ("Q", "HHQ", 8) if 43 in (head[2], head[3]) else ("H", "HHI", 4)
    file.seek(directory.offset)
    (entries,) = struct.unpack(order + count, file.read(struct.calcsize(order + count)))
    for _ in range(entries):
        found, kind, length = struct.unpack(order + entry, file.read(struct.calcsize(order + entry)))
        value = file.read(room)
        if found == tag:
            size = length * struct.calcsize(_CODES.get(kind, "B"))
            if size <= room:
                return value[:size] or None
            file.seek(int.from_bytes(value, "little" if order == "<" else "big"))
            return file.read(size) or None
    return None


def exif_block(source: Image.Exif) -> bytes | None:
    """The descriptive tags of a TIFF's page, with its EXIF and GPS directories, as an EXIF block."""
    kept = Image.Exif()
    for tag in _DESCRIPTIVE & set(source):
        kept[tag] = source[tag]
    for tag in (EXIF_IFD, GPS_IFD):
        if inner := source.get_ifd(tag):
            kept[tag] = dict(inner)
    return kept.tobytes()[6:] if len(kept) else None


@dataclass(frozen=True)
class Page:
    """A page to write.

    Attributes:
        size: (height, width).
        samples: bands of rows x W x C uint8 or uint16 from top to bottom, all but the last of equal height; C is 1
            (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
        exif: an undamaged EXIF block, or None.
        icc_profile, xmp: written to their tags.
        photoshop: image resources; their IPTC records are written to a separate tag.
        dpi: dots per inch across and down, or None.
    """

    size: tuple[int, int]
    samples: Iterable[np.ndarray]
    exif: bytes | None = None
    icc_profile: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    dpi: tuple[float, float] | None = None


def write_tiff(file: BinaryIO, pages: Iterable[Page]) -> None:
    """Write a deflated TIFF.

    1. The file begins with the EXIF block of the first page. It is a TIFF structure itself, so its offsets stay valid.
       The blocks of further pages are rebuilt for their new offsets.
    2. One strip per band follows, in the byte order of the block, with horizontal differencing.
    3. The directory comes last: the descriptive entries of the block, unchanged, and the entries of the page.

    Args:
        file: open for writing, at its start.
        pages: one or more; each is requested after the previous one is written.

    Raises:
        ImageError: the file would exceed 4 GB, the limit of TIFF.
    """
    order: ByteOrder = "<"
    link = 4  # where the offset of the next directory goes
    for number, page in enumerate(pages):
        if number == 0:
            block = page.exif or b"II*\0\0\0\0\0"
            order = byte_order(block)
            file.write(block)
            directory = _Directory(file, order)
            if page.exif:
                directory.adopt(block, first_ifd(block))
        else:
            directory = _Directory(file, order)
            if page.exif:
                directory.adopt(*_moved(page.exif, directory))
        link = _write_page(directory, page, link)


def _moved(exif: bytes, directory: _Directory) -> tuple[bytes, int]:
    """Rebuild an EXIF block for the end of the file and write it; returns it and the offset of its first directory."""
    source = Image.Exif()
    source.load(exif)
    inner = {tag: source.get_ifd(tag) for tag in (EXIF_IFD, GPS_IFD)}
    moved = Image.Exif()
    moved.endian = directory.order
    moved.update(dict(source))
    moved.update({tag: dict(values) for tag, values in inner.items() if values})
    start = directory.append(b"")[0]
    block = moved.tobytes(start + 8)[len(b"Exif\0\0") :]
    directory.append(block)
    return block, 8


def _write_page(directory: _Directory, page: Page, link: int) -> int:
    strips: list[tuple[int, int]] = []
    shapes: list[tuple[int, ...]] = []
    bits = 8
    for band in page.samples:
        strips.append(directory.append(_strip(band, directory.order)))
        shapes.append(band.shape)
        bits = 8 * band.itemsize
    rows_per_strip, _, channels = shapes[0]

    directory.set(WIDTH, _LONG, [page.size[1]])
    directory.set(HEIGHT, _LONG, [page.size[0]])
    directory.set(BITS, _SHORT, [bits] * channels)
    directory.set(COMPRESSION, _SHORT, [8])  # deflate
    directory.set(PHOTOMETRIC, _SHORT, [MIN_IS_BLACK if channels < 3 else RGB])
    directory.set(_STRIP_OFFSETS, _LONG, [offset for offset, _ in strips])
    directory.set(277, _SHORT, [channels])
    directory.set(_ROWS_PER_STRIP, _LONG, [rows_per_strip])
    directory.set(279, _LONG, [length for _, length in strips])
    directory.set(PLANAR, _SHORT, [1])  # the samples of a pixel are stored together
    directory.set(317, _SHORT, [2])  # predictor: horizontal differencing
    if channels in (2, 4):
        directory.set(EXTRA_SAMPLES, _SHORT, [UNASSOCIATED_ALPHA])
    if page.dpi:
        directory.set(RESOLUTION_X, _RATIONAL, [round(page.dpi[0] * 1000), 1000])
        directory.set(RESOLUTION_Y, _RATIONAL, [round(page.dpi[1] * 1000), 1000])
        directory.set(RESOLUTION_UNIT, _SHORT, [INCH])
    if page.xmp:
        directory.set(XMP, _BYTE, page.xmp)
    if page.photoshop:
        if iptc := iptc_of(page.photoshop):
            directory.set(_IPTC, _UNDEFINED, iptc)
        if others := without_iptc(page.photoshop):
            directory.set(_PHOTOSHOP, _BYTE, others)
    if page.icc_profile:
        directory.set(ICC_PROFILE, _UNDEFINED, page.icc_profile)
    return directory.write(link)


def _strip(band: np.ndarray, order: ByteOrder) -> bytes:
    differences = band.astype(band.dtype.newbyteorder(order))
    differences[:, 1:] -= band[:, :-1]
    return zlib.compress(differences.tobytes(), DEFLATE_LEVEL)


class _Directory:
    """Writer of a directory (IFD) of a TIFF file."""

    def __init__(self, file: BinaryIO, order: ByteOrder) -> None:
        self.order: ByteOrder = order
        self._file = file
        self._entries: dict[int, bytes] = {}

    def append(self, data: bytes) -> tuple[int, int]:
        """Write data at the next even offset; returns (offset, length)."""
        offset = self._file.tell()
        offset += self._file.write(b"\0" * (offset % 2))
        if offset + len(data) >= 1 << 32:
            raise ImageError("The picture is too large for a TIFF file, which can hold 4 GB; write it as PNG.")
        return offset, self._file.write(data)

    def adopt(self, block: bytes, first: int) -> None:
        """Copy the descriptive entries and inner links of an EXIF block whose offsets count from the file start."""
        kept = _DESCRIPTIVE | {EXIF_IFD, GPS_IFD, RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT}
        for entry in read_ifd(block, first):
            if entry.tag in kept:
                self._entries[entry.tag] = block[entry.at - 8 : entry.at + 4]

    def set(self, tag: int, kind: int, values: Sequence[int]) -> None:
        """Set a tag to values of a TIFF type; a RATIONAL takes two values."""
        data = struct.pack(f"{self.order}{len(values)}{_CODES[kind]}", *values)
        count = len(values) // 2 if kind == _RATIONAL else len(values)
        if len(data) > 4:
            data = struct.pack(f"{self.order}I", self.append(data)[0])
        self._entries[tag] = struct.pack(f"{self.order}HHI", tag, kind, count) + data.ljust(4, b"\0")

    def write(self, link: int) -> int:
        """Write the directory at the end of the file and its offset to `link`; returns the next link position."""
        entries = [self._entries[tag] for tag in sorted(self._entries)]
        body = struct.pack(f"{self.order}H", len(entries)) + b"".join(entries)
        offset, _ = self.append(body + struct.pack(f"{self.order}I", 0))
        self._file.seek(link)
        self._file.write(struct.pack(f"{self.order}I", offset))
        self._file.seek(0, io.SEEK_END)
        return offset + len(body)

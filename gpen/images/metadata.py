"""EXIF, XMP and ICC blocks: adapted in place to rotated pixels, otherwise unchanged.

An EXIF block is a small TIFF file: a byte order, and directories (IFDs) of 12-byte entries whose offsets
count from its start (Exif 2.32, section 4.5). Only the entries named here are overwritten and nothing is moved, so
maker notes, which contain offsets, stay readable.
"""

from __future__ import annotations

import re
import struct
from typing import Literal, NamedTuple

ByteOrder = Literal["<", ">"]
ORIENTATION = 0x0112
EXIF_IFD = 0x8769
GPS_IFD = 0x8825
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA002, 0xA003
_SHORT, _LONG = 3, 4

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)([1-8])")


class Entry(NamedTuple):
    """One entry of a directory; `at` is the offset of its 4-byte value or offset field."""

    tag: int
    type: int
    at: int


def byte_order(block: bytes) -> ByteOrder:
    """Byte order as the `struct` prefix `<` or `>`.

    Raises:
        struct.error: the block is not a TIFF structure.
    """
    orders: dict[bytes, ByteOrder] = {b"II*\0": "<", b"MM\0*": ">"}
    if block[:4] not in orders:
        raise struct.error("no TIFF header")
    return orders[bytes(block[:4])]


def read_ifd(block: bytes, offset: int) -> list[Entry]:
    """The entries of the directory at `offset`.

    Raises:
        struct.error: the directory is cut off.
    """
    order = byte_order(block)
    (count,) = struct.unpack_from(f"{order}H", block, offset)
    starts = range(offset + 2, offset + 2 + 12 * count, 12)
    heads = [struct.unpack_from(f"{order}HHI", block, start) for start in starts]
    return [Entry(tag, kind, start + 8) for (tag, kind, _), start in zip(heads, starts, strict=True)]


def first_ifd(block: bytes) -> int:
    """The offset of the first directory.

    Raises:
        struct.error: the block is not a TIFF structure.
    """
    return struct.unpack_from(f"{byte_order(block)}I", block, 4)[0]


def exif_orientation(block: bytes) -> int | None:
    """The orientation 1..8 of an EXIF block, or None if it has none.

    Raises:
        struct.error: the block is damaged.
    """
    for entry in read_ifd(block, first_ifd(block)):
        if entry.tag == ORIENTATION and entry.type == _SHORT:
            (value,) = struct.unpack_from(f"{byte_order(block)}H", block, entry.at)
            return value if 1 <= value <= 8 else None
    return None


def upright_exif(block: bytes, height: int, width: int) -> bytes:
    """Adapt a block to upright pixels of this size: orientation 1, the new size, and no thumbnail.

    The thumbnail shows the faces before the restoration, so the link to it is removed.

    Raises:
        struct.error: the block is damaged.
    """
    changed = bytearray(block)
    order = byte_order(block)
    entries = read_ifd(block, first_ifd(block))
    struct.pack_into(f"{order}I", changed, first_ifd(block) + 2 + 12 * len(entries), 0)
    for entry in entries:
        if entry.tag == ORIENTATION:
            _set(changed, order, entry, 1)
        elif entry.tag == EXIF_IFD:
            (offset,) = struct.unpack_from(f"{order}I", block, entry.at)
            for inner in read_ifd(block, offset):
                if inner.tag in (_PIXEL_WIDTH, _PIXEL_HEIGHT):
                    _set(changed, order, inner, width if inner.tag == _PIXEL_WIDTH else height)
    return bytes(changed)


def _set(block: bytearray, order: ByteOrder, entry: Entry, value: int) -> None:
    struct.pack_into(f"{order}HI", block, entry.at - 6, _LONG if value > 0xFFFF else _SHORT, 1)
    struct.pack_into(f"{order}I" if value > 0xFFFF else f"{order}H2x", block, entry.at, value)


def xmp_orientation(packet: bytes) -> int:
    """The orientation 1..8 of an XMP packet; 1 if it has none."""
    found = _XMP_ORIENTATION.search(packet)
    return int(found[2]) if found else 1


def upright_xmp(packet: bytes) -> bytes:
    """The packet with its orientation, if any, set to upright."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", packet)


def icc_color_space(profile: bytes) -> str:
    """The colour space of an ICC profile: `RGB`, `GRAY`, `CMYK`, ... (ICC.1:2022, bytes 16 to 19)."""
    return profile[16:20].decode("ascii", "replace").strip()

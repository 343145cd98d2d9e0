"""Photoshop's image resources, including IPTC captions.

Source of the layout: Adobe Photoshop File Formats Specification (2019), "Image Resource Blocks": `8BIM`, a number, a
Pascal string padded to an even length, a length, and the data padded to an even length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

IPTC = 0x0404
# Thumbnails of Photoshop 4, and of Photoshop 5 and later.
_THUMBNAILS = (0x0409, 0x040C)
_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")


def without_thumbnails(block: bytes) -> bytes | None:
    """The block without its thumbnails, or None if it holds nothing else.

    Data that cannot be parsed, such as after a truncated resource, is dropped.
    """
    return b"".join(resource for number, resource, _ in _resources(block) if number not in _THUMBNAILS) or None


def iptc_of(block: bytes) -> bytes | None:
    """The IPTC records (IIM) of a block, or None."""
    return next((data for number, _, data in _resources(block) if number == IPTC), None)


def without_iptc(block: bytes) -> bytes | None:
    """The block without its IPTC records, which TIFF stores in a separate tag."""
    return b"".join(resource for number, resource, _ in _resources(block) if number != IPTC) or None


def with_iptc(block: bytes | None, iptc: bytes) -> bytes:
    """Add these IPTC records to the block unless it already has some."""
    block = block or b""
    if iptc_of(block) is not None:
        return block
    return block + struct.pack(">4sHHI", b"8BIM", IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, complete resource, its data), in order."""
    at = 0
    while block[at : at + 4] in _SIGNATURES and at + 7 <= len(block):
        (number,) = struct.unpack_from(">H", block, at + 4)
        name = 1 + block[at + 6]
        start = at + 6 + name + name % 2 + 4
        length = int.from_bytes(block[start - 4 : start], "big")
        end = start + length
        if end > len(block):
            return
        padded = min(len(block), end + length % 2)
        yield number, block[at:padded] + b"\0" * (end + length % 2 - padded), block[start:end]
        at = padded

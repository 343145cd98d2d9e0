"""Whether a file ends before its own structure does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
# Boxes with which files of QuickTime's family begin.
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def ends_early(path: Path) -> bool:
    """Whether a file was cut off: its last part (box, segment or chunk) should be longer.

    Files of QuickTime's family (ISO/IEC 14496-12), Matroska (RFC 9559) and AVI say how long they are; others do not.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        if head[4:] in _BOXES:
            return _end_of_parts(file, size, _length_of_box) > size
        if head[:4] == b"RIFF":
            return _end_of_parts(file, size, _length_of_chunk) > size
        if head[:4] == _EBML:
            return _end_of_segment(file, size) > size
    return False


def _end_of_parts(file: BinaryIO, size: int, length_of: Callable[[bytes], int]) -> int:
    """Where the last of the parts that follow each other ends, by the lengths in their first 16 bytes."""
    place = 0
    while place < size:
        file.seek(place)
        length = length_of(file.read(16))
        if not length:
            return 0
        place += length
    return place


def _length_of_box(head: bytes) -> int:
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:], "big")
    return length if length >= 8 else 0  # 0 is "to the end"; all else is no box


def _length_of_chunk(head: bytes) -> int:
    length = int.from_bytes(head[4:8], "little")
    return 8 + length if head[:4] == b"RIFF" and length else 0


def _end_of_segment(file: BinaryIO, size: int) -> int:
    file.seek(4)
    header = _number(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length = _number(file)
    return _end_of_elements(file, size) if length is None else file.tell() + length


def _end_of_elements(file: BinaryIO, size: int) -> int:
    """Of a segment that does not say how long it is, as recorders write it: its elements say it, or their own ones."""
    place = file.tell()
    while place < size:
        file.seek(place)
        name = file.read(4)
        width = 9 - name[0].bit_length()
        if width > len(name):
            return 0  # damaged
        file.seek(place + width)
        length = _number(file)
        place = file.tell()
        if length is not None:
            place += length
        elif name != _CLUSTER:
            return 0
    return place


def _number(file: BinaryIO) -> int | None:
    """A number of variable length; None if it stands for "unknown"."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value

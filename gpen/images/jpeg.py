"""The segments of a JPEG file, and the data that phones append to it.

Source of the layout: ITU-T T.81, annex B (markers). After the end of the picture follow the second pictures of CIPA
DC-007 (MPF), the gain maps of Ultra HDR and ISO 21496-1, and the videos of motion photos. Each is identified by its
first bytes, so a wrong offset does no harm.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ..wording import count

_APPLICATION = range(0xE0, 0xF0)
_APP0, _APP1, _APP2, _APP11, _APP13, _APP14, _SOS, _EOI = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE, 0xDA, 0xD9
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
# Markers without a length: TEM, the restart markers inside coded data, and the start of a picture.
_LONE = {0x01, *range(0xD0, 0xD9)}
# Bytes after 0xFF that do not end coded data: a stuffed zero, a restart number, a fill byte.
_NO_MARKER = np.zeros(256, bool)
_NO_MARKER[[0x00, *range(0xD0, 0xD8), 0xFF]] = True
_PHOTOSHOP = b"Photoshop 3.0\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
# Identifiers of gain maps: Ultra HDR, ISO 21496-1, Apple.
_GAIN_MAP = (b"http://ns.adobe.com/hdr-gain-map/", b"urn:iso:std:iso:ts:21496", b"http://ns.apple.com/HDRGainMap/")
_PART = re.compile(rb"\xff\xd8\xff|\0\0..ftyp", re.DOTALL)

GAIN_MAP_NOTE = "The HDR gain map was left out; the result is the picture shown on standard displays."
# Padding bytes added by card readers, mail programs and cameras.
_PADDING = b"\0\xff\r\n\t "


class Segment(NamedTuple):
    """One marker segment: the second byte of the marker, the data after the length, and its range in the file."""

    marker: int
    data: bytes
    start: int
    end: int


class Layout(NamedTuple):
    """Layout of a JPEG.

    Attributes:
        segments: the segments before the first scan.
        end: the offset after the end marker; None if it is missing.
        starts: the offset of the coded data of the first scan; None if there is none.
    """

    segments: tuple[Segment, ...]
    end: int | None
    starts: int | None


def layout(data: bytes) -> Layout:
    """Parse the segments of the JPEG at the start of `data`."""
    segments: list[Segment] = []
    starts = None
    octets = np.frombuffer(data, np.uint8)
    markers = np.flatnonzero((octets[:-1] == 0xFF) & ~_NO_MARKER[octets[1:]])
    at = 2
    while (index := int(np.searchsorted(markers, at))) < len(markers):
        at = int(markers[index]) + 2
        marker = data[at - 1]
        if marker == _EOI:
            return Layout(tuple(segments), at, starts)
        if marker in _LONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if marker == _SOS:
            starts = starts or at + length
        elif starts is None:
            segments.append(Segment(marker, data[at + 2 : at + length], at - 2, at + length))
        at += length
    return Layout(tuple(segments), None, starts)


def for_decoder(data: bytes, found: Layout, with_exif: bool) -> bytes:
    """The file without the segments that do not affect its pixels, since damage in them would stop the decoder."""
    pieces, at = [], 0
    for segment in found.segments:
        if not _is_for_decoder(segment, with_exif):
            pieces.append(data[at : segment.start])
            at = segment.end
    return b"".join([*pieces, data[at:]]) if pieces else data


def _is_for_decoder(segment: Segment, with_exif: bool) -> bool:
    if segment.marker == _APP1:
        return with_exif or not segment.data.startswith(_EXIF)
    if segment.marker == _APP2:
        return segment.data.startswith(_ICC)
    return segment.marker not in _APPLICATION or segment.marker in (_APP0, _APP14)


def left_behind(found: Layout, tail: bytes) -> tuple[str, ...]:
    """One sentence for each kind of content that is lost when the JPEG is written again.

    Args:
        found: the main picture's layout.
        tail: the bytes after its end.
    """
    gain_maps, pictures, videos, others = _behind(tail)
    sentences = []
    if gain_maps:
        sentences.append(GAIN_MAP_NOTE)
    if videos:
        sentences.append("The video of the motion photo was left out.")
    if pictures == 1:
        sentences.append("Only the main picture of the file was kept; another (a preview or depth map) was left out.")
    elif pictures:
        sentences.append(
            f"Only the main picture of the file was kept; {pictures} others (previews, depth maps) were left out."
        )
    if others:
        sentences.append(f"Unknown data after the picture ({count(others, 'byte')}) was left out.")
    if any(segment.marker == _APP11 and segment.data.startswith(b"JP") for segment in found.segments):
        sentences.append("The content credentials (C2PA) hold only for the original picture and were left out.")
    if any(segment.marker == _APP1 and segment.data.startswith(_EXTENDED_XMP) for segment in found.segments):
        sentences.append("Extended XMP (such as a depth map) was left out.")
    return tuple(sentences)


def count_pictures(tail: bytes) -> int:
    """Number of pictures in a file, given the bytes after the first."""
    gain_maps, pictures, _, _ = _behind(tail)
    return 1 + gain_maps + pictures


def photoshop_block(found: Layout) -> bytes | None:
    """The image resources (8BIM) of all APP13 segments joined into one block, or None."""
    pieces = [s.data[len(_PHOTOSHOP) :] for s in found.segments if s.marker == _APP13 and s.data.startswith(_PHOTOSHOP)]
    return b"".join(pieces) or None


def photoshop_segments(block: bytes) -> bytes:
    """Image resources as APP13 segments, split if one cannot hold them."""
    size = 65533 - len(_PHOTOSHOP)
    pieces = [_PHOTOSHOP + block[start : start + size] for start in range(0, len(block), size)]
    return b"".join(b"\xff\xed" + (2 + len(piece)).to_bytes(2, "big") + piece for piece in pieces)


def _behind(tail: bytes) -> tuple[int, int, int, int]:
    """Number of gain maps, other pictures, videos, and bytes that are neither these nor padding."""
    gain_maps = pictures = videos = others = at = 0
    while found := _PART.search(tail, at):
        others += len(tail[at : found.start()].strip(_PADDING))
        if found[0].endswith(b"ftyp"):
            videos, at = 1, len(tail)  # its boxes extend to the end of the file
            break
        inner = layout(tail[found.start() :])
        if any(name in segment.data for segment in inner.segments for name in _GAIN_MAP):
            gain_maps += 1
        else:
            pictures += 1
        at = len(tail) if inner.end is None else found.start() + inner.end
    return gain_maps, pictures, videos, others + len(tail[at:].strip(_PADDING))

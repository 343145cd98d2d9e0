"""PNG chunks, and 16-bit PNG files, which Pillow does not write.

Source of the layout: PNG specification, third edition (W3C 2025), sections 5 (chunks), 9 (filters), 10
(zlib).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from .samples import DEFLATE_LEVEL

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
TEXT = (b"tEXt", b"zTXt", b"iTXt")
METADATA = (*COLOR, b"iCCP", b"pHYs", b"eXIf", *TEXT)
_DEPTH_AT = 24
_SUB = 1
# Colour type by number of channels: grey, grey and alpha, RGB, RGB and alpha.
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def bit_depth(head: bytes) -> int:
    """Bits per sample, from the first 25 bytes of a PNG file."""
    return head[_DEPTH_AT]


def read_chunks(file: BinaryIO, wanted: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The (type, data) of the wanted chunks of a PNG file, in order; the pixels' chunks are passed over."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in wanted:
            yield kind, file.read(length)
            file.seek(4, io.SEEK_CUR)
        else:
            file.seek(length + 4, io.SEEK_CUR)


def write_png16(
    file: BinaryIO,
    size: tuple[int, int],
    channels: int,
    chunks: Iterable[tuple[bytes, bytes]],
    samples: Iterable[np.ndarray],
) -> None:
    """Write a 16-bit PNG.

    Args:
        file: open for writing, at its start.
        size: (height, width).
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        chunks: (type, data) that go before the pixels, in that order.
        samples: bands of rows x W x channels uint16, from top to bottom.
    """
    height, width = size
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0))
    for kind, data in chunks:
        _write_chunk(file, kind, data)
    deflate = zlib.compressobj(DEFLATE_LEVEL)
    for band in samples:
        if data := deflate.compress(_filtered(band)):
            _write_chunk(file, b"IDAT", data)
    _write_chunk(file, b"IDAT", deflate.flush())
    _write_chunk(file, b"IEND", b"")


def _filtered(band: np.ndarray) -> bytes:
    rows, _, channels = band.shape
    data = np.ascontiguousarray(band, ">u2").reshape(rows, -1).view(np.uint8)
    result = np.empty((rows, 1 + data.shape[1]), np.uint8)
    result[:, 0] = _SUB
    left = 2 * channels
    result[:, 1 : 1 + left] = data[:, :left]
    np.subtract(data[:, left:], data[:, :-left], out=result[:, 1 + left :])
    return result.tobytes()


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))

"""PNG chunks, and 16-bit PNG files, which Pillow cannot write.

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

from .formats import DEFLATE_LEVEL

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
TEXT = (b"tEXt", b"zTXt", b"iTXt")
METADATA = (*COLOR, b"iCCP", b"pHYs", b"eXIf", *TEXT)
# Limit for inflated metadata, against zip bombs; the largest printer profiles have about 10 MB.
_LARGEST_CHUNK = 1 << 26
# Bytes inflated at once from a damaged stream; at most this many before the damage are lost.
_STEP = 64
_LEAST_SHARE = 0.001
# Samples per pixel, by colour type.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: the first column and row of each pass, and the steps between.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_DEPTH_AT = 24
_SUB = 1
# Colour type by number of channels: grey, grey and alpha, RGB, RGB and alpha.
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def bit_depth(head: bytes) -> int:
    """Bits per sample, from the first 25 bytes of a PNG file."""
    return head[_DEPTH_AT]


def size(data: bytes) -> tuple[int, int]:
    """(width, height), from the head of a PNG file.

    Raises:
        struct.error: the head is cut off.
    """
    return struct.unpack_from(">II", data, 16)


def read_chunks(file: BinaryIO, wanted: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of the wanted chunks of a PNG file, in order; pixel chunks are skipped."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in wanted:
            yield kind, file.read(length)
            file.seek(4, io.SEEK_CUR)
        else:
            file.seek(length + 4, io.SEEK_CUR)


def checksums_hold(data: bytes) -> bool:
    """Whether the checksums of the pixel chunks are right; Pillow ignores wrong ones."""
    at = len(SIGNATURE)
    view = memoryview(data)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if kind == b"IDAT" and view[end : end + 4] != zlib.crc32(view[at + 4 : end]).to_bytes(4, "big"):
            return False
        at = end + 4
    return True


def without_chunks(data: bytes, unwanted: Iterable[bytes]) -> bytes:
    """A PNG file without the chunks of these types; data that cannot be parsed is kept."""
    parts, at = [data[: len(SIGNATURE)]], len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind not in unwanted or end > len(data):
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def inflate(data: bytes) -> bytes | None:
    """Inflate a metadata chunk; None if it is damaged or implausibly large (a zip bomb)."""
    stream = zlib.decompressobj()
    try:
        result = stream.decompress(data, _LARGEST_CHUNK)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail else result


def text_of(kind: bytes, data: bytes) -> tuple[str, bytes | None]:
    """The keyword and the text of a tEXt, zTXt or iTXt chunk; None for a text that cannot be decoded."""
    keyword, _, rest = data.partition(b"\0")
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, rest
    if kind == b"zTXt":
        return name, inflate(rest[1:])
    parts = rest[2:].split(b"\0", 2)
    text = parts[2] if len(parts) == 3 else None
    return name, inflate(text) if text is not None and rest[:1] == b"\1" else text


def mended(data: bytes) -> tuple[bytes, float] | None:
    """Complete a PNG with truncated or damaged pixels; lost pixels are 0. Also returns the share that could be read.

    None if hardly any pixel can be read.
    """
    head, packed, others = None, [], []
    for kind, body in read_chunks(io.BytesIO(data), (b"IHDR", b"IDAT", b"PLTE", b"tRNS")):
        if kind == b"IHDR":
            head = body
        elif kind == b"IDAT":
            packed.append(body)
        else:
            others.append((kind, body))
    if head is None or len(head) != 13:
        return None
    width, height, depth, color_type, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    if color_type not in _CHANNELS:
        return None
    bits = depth * _CHANNELS[color_type]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes]
    whole = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)
    pixels = _inflated_part(b"".join(packed))
    # A header that claims far more pixels than the data holds is itself damaged.
    if not whole or len(pixels) < whole * _LEAST_SHARE:
        return None
    share = min(1.0, len(pixels) / whole)
    del pixels[whole:]
    pixels += bytes(whole - len(pixels))
    file = io.BytesIO()
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", head)
    for kind, body in others:
        _write_chunk(file, kind, body)
    _write_chunk(file, b"IDAT", zlib.compress(bytes(pixels), 1))
    _write_chunk(file, b"IEND", b"")
    return file.getvalue(), share


def _inflated_part(packed: bytes) -> bytearray:
    """Inflate data up to the end or the first damage of the stream."""
    # Skip the two header bytes of zlib, so that its checksum, wrong after damage, is not tested.
    stream, result = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    for start in range(2, len(packed), _STEP):
        try:
            result += stream.decompress(packed[start : start + _STEP])
        except zlib.error:
            break
    return result


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
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
        chunks: (type, data) to write before the pixels, in order.
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

"""Decode TIFF pages that Pillow cannot read without change, with tifffile.

The codecs are those of tifffile. Two features for which it needs imagecodecs, a package of 80 MB, are common in
photographs and implemented here: LZW, with the libtiff inside Pillow, and packed samples of 9 to 15 bits.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import ImageError

if TYPE_CHECKING:
    from tifffile import TiffPage

_LZW = 5
_FLOATING_POINT_PREDICTOR = 3
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
# Photographs never have more samples per pixel; a header that claims more is damaged.
_MOST_CHANNELS = 16
_LEAST_SHARE = 0.001


def decode_page(page: TiffPage, name: str) -> tuple[np.ndarray, float]:
    """Samples of a page as encoded in the file; those of unreadable strips and tiles are 0.

    Args:
        page: a page of an open file, with integers of 8 to 64 bits or floats.
        name: the file's name, for messages.

    Returns:
        H x W x C in the dtype of the page, and the share of its strips or tiles that could be read.

    Raises:
        ImageError: the compression needs a package that is not installed, or the layout is not that of a photograph.
        Exception: whatever the decoder raises if nothing can be read.
    """
    if page.dtype is None or page.dtype.kind not in "uif" or page.samplesperpixel > _MOST_CHANNELS:
        raise ImageError(
            f"{name} has {page.samplesperpixel} samples per pixel of {page.bitspersample} bits in a layout that is not "
            "supported; save it as 16-bit RGB."
        )
    separate, depth, height, width, contiguous = page.shaped
    if depth != 1:
        raise ImageError(f"{name} is a volume of {depth} layers, not a photograph; save one of them.")
    bits = page.bitspersample
    prepare = _Segments(page, name)
    result = np.zeros((separate, height, width, contiguous), page.dtype)
    read, damage = 0, None
    across = -(-width // page.tilewidth) if page.is_tiled else 1
    expected = separate * across * -(-height // (page.tilelength if page.is_tiled else page.rowsperstrip))
    file = page.parent.filehandle
    for index, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
        file.seek(offset)
        data = file.read(length)
        try:
            if len(data) < length or not length:
                raise ImageError(f"{name} is cut off.")
            segment, (plane, _, top, left, _), shape = page.decode(prepare(data, index), index)
        except (ImportError, NotImplementedError):
            raise _needs_imagecodecs(page, name) from None
        except Exception as error:  # codecs raise any type of exception
            damage = damage or error
            continue
        if segment is not None:
            room = result[plane, top : top + shape[1], left : left + shape[2]]
            room[...] = segment[0, : room.shape[0], : room.shape[1]]
        read += 1
    if damage and not read:
        raise damage
    # A header that claims far more pixels than the data holds is itself damaged.
    share = min(1.0, read / expected)
    if share < _LEAST_SHARE:
        raise ImageError(f"{name} claims {width} x {height} pixels, but hardly any of them are in the file.")
    page.bitspersample = bits
    if page.planarconfig == 2 and separate > 1:
        result = result.transpose(1, 2, 0, 3)[..., 0]
    else:
        result = result[0]
    return np.ascontiguousarray(result), share


class _Segments:
    """Convert strips and tiles to a form that tifffile decodes without imagecodecs, and set its page accordingly."""

    def __init__(self, page: TiffPage, name: str) -> None:
        from tifffile import TIFF

        self._width = page.tilewidth if page.is_tiled else page.imagewidth
        self._samples = page.samplesperpixel if page.planarconfig == 1 else 1
        self._rows = page.tilelength if page.is_tiled else page.rowsperstrip
        self._height = page.imagelength
        self._is_tiled = page.is_tiled
        self._order = page.parent.byteorder
        bits = int(page.bitspersample)
        assert page.dtype is not None
        self._packed = bits if page.dtype.kind == "u" and 8 < bits < 16 else 0
        self._bytes = page.dtype.itemsize
        self._floats = page.predictor == _FLOATING_POINT_PREDICTOR
        self._lzw = page.compression == _LZW and _LZW not in TIFF.DECOMPRESSORS
        self._inflate = None
        try:
            if not self._lzw and page.compression != 1:
                self._inflate = TIFF.DECOMPRESSORS[page.compression]
        except KeyError:
            raise _needs_imagecodecs(page, name) from None
        if not (self._packed or self._floats or self._lzw):
            self._plain = True
            return
        # Data decompressed here is uncompressed for tifffile.
        self._plain, self._reversed = False, page.fillorder == 2
        page.compression, page.fillorder = 1, 1  # type: ignore[assignment]
        if self._packed:
            page.bitspersample = 16
        if self._floats:
            page.predictor = 1  # type: ignore[assignment]

    def __call__(self, data: bytes, index: int) -> bytes:
        if self._plain:
            return data
        if self._reversed:
            data = data.translate(_REVERSED)
        rows = self._rows
        if not self._is_tiled:
            strips = -(-self._height // self._rows)
            rows = min(rows, self._height - index % strips * self._rows)
        values = self._width * self._samples
        row = -(-values * self._packed // 8) if self._packed else values * self._bytes
        if self._lzw:
            data = _from_lzw(data, row, rows)
        elif self._inflate:
            data = self._inflate(data)
        if self._packed:
            data = _unpack(data, rows, row, values, self._packed, self._order)
        if self._floats:
            data = _floats(data, rows, values, self._samples, self._bytes, self._order)
        return data


def _needs_imagecodecs(page: TiffPage, name: str) -> ImageError:
    compression = getattr(page.compression, "name", page.compression)
    return ImageError(
        f"{name} uses a compression ({compression}) that needs the package imagecodecs; install it, or save the "
        "file without compression."
    )


def _from_lzw(data: bytes, row: int, rows: int) -> bytes:
    """Decompress by wrapping the data in a temporary TIFF of one strip."""
    entries = [(256, row), (257, rows), (258, 8), (259, _LZW), (262, 1), (273, 8), (277, 1), (278, rows)]
    entries.append((279, len(data)))
    start = 8 + len(data) + len(data) % 2
    head = struct.pack("<4sI", b"II*\0", start)
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    body = head + data + b"\0" * (len(data) % 2) + struct.pack("<H", len(entries)) + directory + bytes(4)
    with Image.open(io.BytesIO(body), formats=["TIFF"]) as image:
        return image.tobytes()


def _unpack(data: bytes, rows: int, row: int, values: int, bits: int, order: str) -> bytes:
    """Unpack rows of `values` numbers of `bits` bits to 16-bit integers; each row starts at a byte boundary."""
    packed = np.frombuffer(data, np.uint8, rows * row).reshape(rows, row)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    result = np.empty((rows, values), f"{order}u2")
    for index in range(rows):
        single = np.unpackbits(packed[index], count=values * bits).reshape(values, bits)
        result[index] = single @ weights
    return result.tobytes()


def _floats(data: bytes, rows: int, values: int, samples: int, size: int, order: str) -> bytes:
    """Undo the floating-point predictor (Adobe Photoshop TIFF Technical Note 3)."""
    planes = np.frombuffer(data, np.uint8, rows * values * size).reshape(rows, -1, samples)
    planes = np.cumsum(planes, axis=1, dtype=np.uint8).reshape(rows, size, values)
    big_endian = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")
    return big_endian.astype(f"{order}f{size}").tobytes()

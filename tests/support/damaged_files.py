"""Small picture files of every format, and seeded damage to them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from phone_files import motion_photo, ultra_hdr
from PIL import Image, features

Y, X = np.mgrid[:48, :64]
PICTURE = np.stack([X * 3, Y * 5, (X * Y) % 256], axis=2).astype(np.uint8)
DEEP = PICTURE.astype(np.uint16) * 257


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    """A file of Pillow's."""
    file = io.BytesIO()
    Image.fromarray(PICTURE).convert(mode).save(file, kind, **options)
    return file.getvalue()


def tiff(samples: np.ndarray, **options: Any) -> bytes:
    """A file of tifffile's."""
    file = io.BytesIO()
    settings: dict[str, Any] = {"photometric": "rgb"} | options
    tifffile.imwrite(file, samples, **settings)
    return file.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x8769] = 6, {0xA002: 64, 0xA003: 48, 0x927C: b"maker note"}
    return exif.tobytes()


def _deep_png() -> bytes:
    import cv2

    return cv2.imencode(".png", DEEP)[1].tobytes()


def _heic() -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PICTURE)).save(file, quality=80)
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded("JPEG", exif=_exif(), quality=90),
    "progressive JPEG": lambda: encoded("JPEG", progressive=True),
    "CMYK JPEG": lambda: encoded("JPEG", "CMYK"),
    "Ultra HDR JPEG": lambda: ultra_hdr(PICTURE),
    "motion photo": lambda: motion_photo(PICTURE),
    "PNG": lambda: encoded("PNG", exif=_exif(), icc_profile=b"profile"),
    "palette PNG": lambda: encoded("PNG", "P"),
    "16-bit PNG": _deep_png,
    "WebP": lambda: encoded("WEBP", exif=_exif()),
    "lossless WebP": lambda: encoded("WEBP", lossless=True, xmp=b"<x/>"),
    "GIF": lambda: encoded("GIF"),
    "BMP": lambda: encoded("BMP"),
    "TIFF": lambda: encoded("TIFF", exif=_exif()),
    "LZW TIFF": lambda: encoded("TIFF", compression="tiff_lzw"),
    "JPEG in TIFF": lambda: encoded("TIFF", compression="jpeg"),
    "16-bit TIFF": lambda: tiff(DEEP, rowsperstrip=9),
    "planar TIFF": lambda: tiff(np.moveaxis(DEEP, 2, 0).copy(), planarconfig="separate", compression="zlib"),
    "float TIFF": lambda: tiff((PICTURE / 255).astype(np.float32), compression="zlib"),
    "BigTIFF": lambda: tiff(DEEP, bigtiff=True),
    "two pages": lambda: tiff(np.stack([DEEP, DEEP])),
}
if features.check("avif"):
    FILES["AVIF"] = lambda: encoded("AVIF", quality=70)
if features.check("jpg_2000"):
    FILES["JPEG 2000"] = lambda: encoded("JPEG2000")
if find_spec("pillow_heif"):
    FILES["HEIC"] = _heic


def mutated(data: bytes, rng: np.random.Generator, count: int) -> Iterator[bytes]:
    """Files with a few bytes changed, pieces lost, doubled or filled, or the end missing; headers more often."""
    for _ in range(count):
        changed = bytearray(data)
        near = int(min(len(data), rng.choice([64, 400, len(data)])))
        at = int(rng.integers(0, near))
        length = int(rng.integers(1, 40))
        kind = rng.integers(0, 6)
        if kind == 0:
            changed[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            changed[at : at + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + length]
        elif kind == 4:
            changed[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"])
        else:
            del changed[at:]
        yield bytes(changed)


def write(path: Path, data: bytes) -> Path:
    """The file, written."""
    path.write_bytes(data)
    return path

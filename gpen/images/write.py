"""Write pictures atomically, with the depth, colour type and metadata of their source."""

from __future__ import annotations

import io
import shutil
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ...weights.files import replacing
from ..errors import ImageError
from . import png
from .formats import DEFLATE_LEVEL, WRITABLE_FORMATS
from .jpeg import photoshop_segments
from .metadata import icc_color_space
from .modes import GREY_MODES
from .picture import FileInfo, Picture
from .samples import bands, is_grey, quantize, to_planes
from .tiff import Page, write_tiff
from .unchanged import unchanged_bytes, unchanged_page

DEFAULT_QUALITY = 95
"""Default quality of JPEG and lossy WebP."""

# Sum of the 64 steps of the standard luminance table (ITU-T T.81, annex K.1) at quality 90. A source at least as fine
# is encoded with its own tables, so that untouched blocks hardly change; coarser tables would degrade the restored
# faces.
_FINE_TABLE = 736
_LONGEST_SIDE = {"JPEG": 65500, "WebP": 16383}
# Payload of a JPEG segment, without its length field.
_SEGMENT = 65533
_EXIF_SEGMENT = b"Exif\0\0"
_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"


def write_picture(picture: Picture, path: str | Path, *, quality: int | None = None) -> tuple[str, ...]:
    """Write a picture with the metadata of its source; the suffix decides the format.

    The file is written atomically; missing folders are created. If the picture was read from a file of this format and
    is unchanged, the bytes of that file are copied. A grey source with a grey result gives a grey file. 16-bit sources
    stay 16-bit in PNG and TIFF.

    - PNG and TIFF are lossless: unchanged samples stay the same, bit for bit.
    - JPEG: a JPEG source of quality 90 or better keeps its quantisation tables and chroma subsampling;
      anything else is written at quality 95 with full chroma (4:4:4). Alpha is composited over white.
    - WebP: lossless if the source was, otherwise at quality 95.

    Args:
        picture: the picture to write.
        path: ends in one of `WRITABLE`.
        quality: 1..100; overrides the above for JPEG and lossy WebP.

    Returns:
        Notes on what of the source the file does not hold, one sentence each.

    Raises:
        ImageError: the suffix is unknown, the folder cannot be written to, the quality is out of range, or
            the picture is too large for the format or holds NaN.

    Example:
        >>> from pathlib import Path
        >>> from gpen_blocks.gpen.images import read_picture, write_picture
        >>> picture = read_picture("examples/portrait-degraded.jpg")
        >>> write_picture(picture, "copy.jpg")
        ()
        >>> Path("copy.jpg").read_bytes() == Path("examples/portrait-degraded.jpg").read_bytes()  # nothing was changed
        True
    """
    path = Path(path)
    kind = WRITABLE_FORMATS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(sorted(WRITABLE_FORMATS))
        raise ImageError(f"{path} has an unsupported suffix; choose a file name that ends in {known}.")
    if quality is not None and not 1 <= quality <= 100:
        raise ImageError(f"quality must lie in 1..100, not {quality}.")
    if max(picture.size) > _LONGEST_SIDE.get(kind, 2**31 - 1):
        raise ImageError(f"{kind} allows at most {_LONGEST_SIDE[kind]} pixels per side; write {path.name} as TIFF.")
    same = unchanged_bytes(picture, kind) if quality is None else None
    result, notes = _plan(picture, kind) if same is None else (None, ())
    try:
        with _replacing(path) as file:
            if result is None:
                file.write(same or b"")
            else:
                _WRITERS[kind](file, result, quality)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from error
    return notes


def write_pages(pictures: Iterable[Picture], path: str | Path) -> tuple[str, ...]:
    """Write pages as one TIFF, each with its own size, depth and metadata; see `write_picture`.

    If all pages were read from one file and are unchanged, the bytes of that file are copied.

    Args:
        pictures: one or more; each is requested after the previous one is written.
        path: ends in .tif or .tiff.

    Returns:
        Notes on content of the source that is lost, one sentence each, without repetition.

    Raises:
        ImageError: as for `write_picture`. Exceptions raised by `pictures` pass through, and nothing is written.
    """
    path = Path(path)
    if WRITABLE_FORMATS.get(path.suffix.lower()) != "TIFF":
        raise ImageError(f"{path} cannot hold pages; choose a file name that ends in .tif or .tiff.")
    notes: list[str] = []
    unchanged: set[Path | None] = set()

    def pages() -> Iterator[Page]:
        for picture in pictures:
            unchanged.add(unchanged_page(picture))
            result, more = _plan(picture, "TIFF")
            notes.extend(note for note in more if note not in notes)
            yield result.page()

    try:
        with _replacing(path) as file:
            write_tiff(file, pages())
            source = unchanged.pop() if len(unchanged) == 1 else None
            if source is not None:
                file.seek(0)
                file.truncate()
                file.write(source.read_bytes())
                notes.clear()
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from error
    return tuple(notes)


@dataclass(frozen=True)
class _Result:
    """Content of the file: planes as defined in `samples`, and the metadata that the format supports."""

    planes: np.ndarray
    alpha: np.ndarray | None
    over_white: bool
    grey: bool
    dtype: np.dtype
    exif: bytes | None
    icc_profile: bytes | None
    xmp: bytes | None
    info: FileInfo

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.planes.shape[1:]
        return height, width

    @property
    def channels(self) -> int:
        return (1 if self.grey else 3) + (self.alpha is not None and not self.over_white)

    def bands(self) -> Iterator[np.ndarray]:
        """The picture as bands of rows x W x C integers."""
        for rows in bands(*self.size):
            values = self.planes[: 1 if self.grey else 3, rows]
            if self.alpha is not None:
                alpha = self.alpha[:, rows]
                values = values * alpha + (1 - alpha) if self.over_white else np.concatenate([values, alpha])
            yield quantize(values, self.dtype).transpose(1, 2, 0)

    def page(self) -> Page:
        """The picture as a page of a TIFF."""
        return Page(self.size, self.bands(), self.exif, self.icc_profile, self.xmp, self.info.photoshop, self.info.dpi)

    def image(self) -> Image.Image:
        """The picture as a PIL image."""
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[self.channels]
        height, width = self.size
        image = Image.new(mode, (width, height))
        for rows, band in zip(bands(*self.size), self.bands(), strict=True):
            # Pillow puts the planes together in a tenth of the time that numpy takes.
            planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(band, -1, 0)]
            image.paste(Image.merge(mode, planes), (0, rows.start))
        return image


def _plan(picture: Picture, kind: str) -> tuple[_Result, tuple[str, ...]]:
    planes = to_planes(picture.pixels)
    alpha = None if picture.alpha is None else to_planes(picture.alpha)
    notes = list(picture.left_out)
    over_white = kind == "JPEG" and alpha is not None
    if over_white:
        notes.append("JPEG does not support transparency, so the picture was composited over white.")
    dtype = np.dtype(np.uint16 if picture.bit_depth == 16 and kind in ("PNG", "TIFF") else np.uint8)
    if picture.bit_depth == 16 and dtype == np.uint8:
        notes.append(f"{kind} has 8 bits per channel, so the 16-bit values were rounded.")
    grey = picture.mode in GREY_MODES and is_grey(planes, 0.5 / np.iinfo(dtype).max)
    if kind == "TIFF" and dtype == np.uint16 and alpha is not None:
        grey = False  # hardly any reader supports two 16-bit channels
    exif, icc_profile, xmp = picture.exif, picture.icc_profile, picture.info.xmp
    if icc_profile and icc_color_space(icc_profile) == "GRAY" and (not grey or kind == "WebP"):
        icc_profile = None
        notes.append("The grey colour profile does not fit an RGB file and was left out.")
    if kind == "JPEG" and exif and len(exif) > _SEGMENT - len(_EXIF_SEGMENT):
        exif = None
        notes.append("The EXIF block is longer than a JPEG can hold and was left out.")
    if kind == "JPEG" and xmp and len(xmp) > _SEGMENT - len(_XMP_SEGMENT):
        xmp = None
        notes.append("The XMP packet is longer than a JPEG can hold and was left out.")
    if kind == "WebP" and picture.info.photoshop:
        notes.append("WebP cannot store IPTC and Photoshop data, which were left out.")
    result = _Result(planes, alpha, over_white, grey, dtype, exif, icc_profile, xmp, picture.info)
    return result, tuple(notes)


def _write_jpeg(file: BinaryIO, result: _Result, quality: int | None) -> None:
    info = result.info
    options: dict[str, Any] = {"quality": quality or DEFAULT_QUALITY, "subsampling": 0}
    tables = [list(table) for table in info.jpeg_tables]
    fits = bool(tables) and (result.grey or len(tables) > 1)
    if quality is None and fits and sum(tables[0]) <= _FINE_TABLE:
        options = {"qtables": tables, "subsampling": info.jpeg_subsampling or 0}
    if result.exif:
        options["exif"] = _EXIF_SEGMENT + result.exif
    extra = b""
    if result.xmp:
        segment = _XMP_SEGMENT + result.xmp
        extra = b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment
    if info.photoshop:
        extra += photoshop_segments(info.photoshop)
    if extra:
        options["extra"] = extra
    options |= _present(icc_profile=result.icc_profile, dpi=info.dpi, comment=info.comment)
    result.image().save(file, "JPEG", progressive=info.progressive, **options)


def _write_webp(file: BinaryIO, result: _Result, quality: int | None) -> None:
    # In lossless files, quality means effort: above 50 the size stays the same, and Pillow's 80 takes three times as
    # long.
    options: dict[str, Any] = {"lossless": True, "quality": 50, "exact": True}
    if quality is not None or not result.info.lossless:
        options = {"quality": quality or DEFAULT_QUALITY, "exact": True}
    options |= _present(exif=result.exif, icc_profile=result.icc_profile, xmp=result.xmp)
    result.image().save(file, "WEBP", **options)


def _write_png(file: BinaryIO, result: _Result, quality: int | None) -> None:
    del quality  # PNG is lossless
    chunks = PngInfo()
    for kind, data in result.info.png_chunks:
        chunks.add(kind, data)
    if result.xmp:
        chunks.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + result.xmp)
    if result.info.photoshop:
        # As ImageMagick writes it and ExifTool reads it; PNG itself has no place for it.
        digits = result.info.photoshop.hex()
        lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
        text = f"\n8bim\n{len(digits) // 2:8}\n{lines}\n".encode("ascii")
        chunks.add(b"zTXt", b"Raw profile type 8bim\0\0" + zlib.compress(text))
    options = _present(exif=result.exif, icc_profile=result.icc_profile, dpi=result.info.dpi)
    if result.dtype == np.uint8:
        result.image().save(file, "PNG", pnginfo=chunks, compress_level=DEFLATE_LEVEL, **options)
        return
    # Pillow encodes the metadata in a one-pixel file; those chunks are written before the 16-bit pixels.
    carrier = io.BytesIO()
    Image.new("L", (1, 1)).save(carrier, "PNG", pnginfo=chunks, **options)
    metadata = png.read_chunks(carrier, png.METADATA)
    png.write_png16(file, result.size, result.channels, metadata, result.bands())


def _write_tiff(file: BinaryIO, result: _Result, quality: int | None) -> None:
    del quality  # TIFF is written lossless
    write_tiff(file, [result.page()])


_WRITERS: dict[str, Callable[[BinaryIO, _Result, int | None], None]] = {
    "JPEG": _write_jpeg,
    "PNG": _write_png,
    "WebP": _write_webp,
    "TIFF": _write_tiff,
}


def _present(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that replaces `path` when it is complete."""
    is_link = path.is_symlink()  # it is replaced, and not what it leads to
    if path.is_dir() and not is_link:
        raise ImageError(f"{path} is a folder; give a file in it.")
    with replacing(path) as temporary:
        with temporary.open("xb") as file:
            yield file
        if path.exists() and not is_link:
            shutil.copymode(path, temporary)

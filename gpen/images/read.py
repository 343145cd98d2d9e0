"""Read picture files: complete, upright and with their metadata, or with one sentence about why not."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image

from ..errors import ImageError
from . import jpeg, photoshop, png, xmp
from .fileinfo import exif_of, file_info, png_info
from .formats import MAX_PIXELS, check_size
from .kinds import Opener, has_gain_map, recognise
from .metadata import exif_orientation, upright_exif, upright_xmp, xmp_orientation
from .modes import MODES, plain_image
from .partial import CutOffError, damage_note, load, load_jpeg_part, load_part, mended_png
from .picture import Picture, Source
from .read_tiff import read_tiff, stored_raw
from .sixteen import decode_png16
from .stored import Fill, Stored, filled_by_image, filled_by_samples

__all__ = ["MAX_PIXELS", "read_bytes", "read_picture"]

_HEAD = 256


def read_picture(path: str | Path, *, page: int = 0, allow_damaged: bool = False) -> Picture:
    """Read a picture file.

    JPEG, PNG, WebP, TIFF, BMP, GIF and JPEG 2000; AVIF if Pillow supports it; HEIC if pillow-heif is installed (both at
    8 bits); camera raw files if rawpy is installed. PNG and TIFF of more than 8 bits keep their depth. The EXIF
    orientation is applied to the pixels. Only the first frame of an animation is read, and a note says so.

    Args:
        path: the file; its content decides its format, not its suffix.
        page: page number of a TIFF, from 0.
        allow_damaged: read as much as possible of a truncated or damaged file; a note says how much.

    Raises:
        ImageError: there is no such file or page, or it is empty, truncated, damaged, not a picture, or larger than
            `MAX_PIXELS`.

    Example:
        >>> from gpen_blocks.gpen.images import read_picture
        >>> picture = read_picture("examples/portrait-degraded.jpg")
        >>> picture.pixels.shape, picture.bit_depth
        (torch.Size([1, 3, 512, 512]), 8)
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise ImageError(f"{path} is a folder or device, not a picture; give a file.")
        with path.open("rb") as file:
            picture, is_whole = _read(file, str(path), page, allow_damaged)
    except FileNotFoundError:
        raise ImageError(f"There is no file {path}; check the name.") from None
    except PermissionError:
        raise ImageError(f"{path} cannot be read; check its permissions.") from None
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise ImageError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}.") from error
    if is_whole:
        picture = replace(picture, source=Source(path.absolute(), picture.pixels))
    return picture


def read_bytes(data: bytes, name: str) -> Picture:
    """Read the bytes of a picture file, as `read_picture` does.

    Raises:
        ImageError: as for `read_picture`.
    """
    return _read(io.BytesIO(data), name, 0, False)[0]


def _read(file: BinaryIO, name: str, page: int, allow_damaged: bool) -> tuple[Picture, bool]:
    """The picture, and whether it is complete."""
    with _damage_explained(name):
        head = file.read(_HEAD)
        kind, opener = recognise(head, name)
        if page and kind != "TIFF":
            raise ImageError(f"{name} has no pages; only a TIFF has.")
        stored = _without_stale_xmp(_stored(file, name, kind, opener, page, allow_damaged))
        if has_gain_map(head):
            stored = replace(stored, left_out=(*stored.left_out, jpeg.GAIN_MAP_NOTE))
        return _upright(stored, page), stored.is_whole


def _stored(file: BinaryIO, name: str, kind: str, opener: Opener | None, page: int, allow_damaged: bool) -> Stored:
    if opener is None:
        return stored_raw(file, name)
    if kind == "TIFF":
        return read_tiff(file, name, page, allow_damaged)
    file.seek(0)
    if kind == "JPEG":
        return _jpeg(file.read(), name, opener, allow_damaged)
    if kind == "PNG":
        return _png(file.read(), name, opener, allow_damaged)
    image = opener(file)
    check_size(*image.size, name)
    n_frames = getattr(image, "n_frames", 1)
    share = load_part(image)
    return _by_pillow(image, file, name, kind, share, n_frames, allow_damaged)


def _by_pillow(
    image: Image.Image, file: BinaryIO, name: str, kind: str, share: float, n_frames: int, allow_damaged: bool
) -> Stored:
    """A file that Pillow loads, of any kind but TIFF."""
    if share < 1 and not allow_damaged:
        raise CutOffError(name, share)
    info = file_info(image, kind, file)
    mode = MODES.get(image.mode, "grey")
    notes = (damage_note(share),) if share < 1 else ()
    if n_frames > 1:
        notes += (f"Only the first of the {n_frames} frames in the file was read.",)
    exif = exif_of(image.info.get("exif"))
    image, more = plain_image(image)
    size, fill, with_alpha = filled_by_image(image)
    return Stored(
        size,
        fill,
        with_alpha,
        info,
        mode,
        is_deep=image.mode.startswith("I;16"),
        exif=exif,
        icc_profile=image.info.get("icc_profile"),
        n_frames=n_frames,
        notes=(*notes, *more),
        is_whole=share == 1,
    )


def _jpeg(data: bytes, name: str, opener: Opener, allow_damaged: bool) -> Stored:
    """A JPEG: only its main picture is passed to the decoder, not the data after it."""
    found = jpeg.layout(data)
    main, behind = (data, b"") if found.end is None else (data[: found.end], data[found.end :])
    damaged_exif = False
    try:
        plain = jpeg.for_decoder(main, found, with_exif=True)
        image = opener(io.BytesIO(plain))
    except Exception:  # Pillow parses EXIF when it opens a file
        plain, damaged_exif = jpeg.for_decoder(main, found, with_exif=False), True
        image = opener(io.BytesIO(plain))
    check_size(*image.size, name)
    share = 1.0
    try:
        load(image)
    except Exception:  # decoders raise whatever they like
        if found.starts is None:
            raise
        image, share = load_jpeg_part(plain, opener)
        if not share:
            raise
        share = min(share, 0.999)
    stored = _by_pillow(image, io.BytesIO(plain), name, "JPEG", share, 1, allow_damaged)
    block = jpeg.photoshop_block(found)
    return replace(
        stored,
        info=replace(stored.info, photoshop=photoshop.without_thumbnails(block) if block else None),
        exif=b"" if damaged_exif else stored.exif,
        n_frames=jpeg.count_pictures(behind),
        notes=stored.notes + (_gap_note(image) if share == 1 else ()),
        left_out=jpeg.left_behind(found, behind),
    )


def _png(data: bytes, name: str, opener: Opener, allow_damaged: bool) -> Stored:
    """A PNG: its profile and texts are read here, since Pillow refuses files with a profile above 1 MB."""
    chunks = list(png.read_chunks(io.BytesIO(data), (*png.COLOR, *png.TEXT, b"iCCP")))
    data = png.without_chunks(data, (*png.TEXT, b"iCCP"))
    share = 1.0
    try:
        image = opener(io.BytesIO(data))
        check_size(*image.size, name)
        n_frames = getattr(image, "n_frames", 1)
        load(image)
    except ImageError:
        raise
    except Exception:  # decoders raise whatever they like
        check_size(*png.size(data), name)
        data, share = mended_png(data, name)
        image = opener(io.BytesIO(data))
        n_frames = 1
        load(image)
        share = min(share, 0.999)
    intact = share < 1 or png.checksums_hold(data)
    deep = png.bit_depth(data) == 16
    transparency = image.info.get("transparency")
    stored = _by_pillow(image, io.BytesIO(data), name, "PNG", share, n_frames, allow_damaged)
    del image
    info, blocks = png_info(stored.info, chunks)
    notes = stored.notes
    if not intact:
        notes += ("A checksum in the file is wrong, so some of its pixels may be damaged.",)
    if "icc_profile" in blocks and blocks["icc_profile"] is None:
        notes += ("The colour profile is damaged and was left out.",)
    exif = stored.exif
    if exif is None and "exif" in blocks:
        exif = exif_of(blocks["exif"]) or b""
    stored = replace(stored, info=info, exif=exif, icc_profile=blocks.get("icc_profile"), notes=notes)
    if not deep:
        return stored
    samples, with_alpha = decode_png16(data, transparency, name)
    size, fill = filled_by_samples(samples)
    return replace(stored, size=size, fill=fill, with_alpha=with_alpha, is_deep=True)


def _without_stale_xmp(stored: Stored) -> Stored:
    packet = stored.info.xmp
    kept = xmp.without_parts(packet) if packet else None
    left_out = stored.left_out
    if packet and kept is None:
        left_out += ("The XMP packet describes parts of the file that were left out, so it was left out too.",)
    return replace(stored, info=replace(stored.info, xmp=kept), left_out=left_out)


def _upright(stored: Stored, page: int) -> Picture:
    exif, info, notes = stored.exif, stored.info, stored.notes
    orientation = stored.orientation or _orientation(exif, info.xmp)
    planes, alpha = _upright_planes(stored.size, orientation, stored.with_alpha, stored.fill)
    if exif is not None:
        try:
            exif = upright_exif(exif, *planes.shape[1:])
        except struct.error:
            exif, notes = None, (*notes, "The EXIF block is damaged and was left out.")
    return Picture(
        pixels=torch.from_numpy(planes)[None],
        alpha=None if alpha is None else torch.from_numpy(alpha)[None],
        bit_depth=16 if stored.is_deep else 8,
        mode=stored.mode,
        exif=exif,
        icc_profile=stored.icc_profile,
        info=replace(info, xmp=upright_xmp(info.xmp) if info.xmp else None),
        n_frames=stored.n_frames,
        notes=notes,
        page=page,
        left_out=stored.left_out,
    )


@contextmanager
def _damage_explained(name: str) -> Iterator[None]:
    """Turn any exception into one sentence: decoders raise all types of exceptions on damaged files."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{name} needs more memory than is free; make it smaller.") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name} is larger than Pillow can read in this format; save it as JPEG or PNG.") from None
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ImageError(f"{name} cannot be read; it is cut off, damaged or of a rare kind: {reason}.") from error


def _gap_note(image: Image.Image) -> tuple[str, ...]:
    """A note if the last rows are the flat grey (128) with which libjpeg replaces missing data."""
    last_rows = np.asarray(image.crop((0, max(0, image.height - 8), image.width, image.height)))
    if not (last_rows == 128).all():
        return ()
    return ("The last rows are one flat grey, which usually means missing data; the file may be damaged.",)


def _orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """EXIF decides, or XMP if EXIF has no orientation; the same as Pillow."""
    try:
        found = exif_orientation(exif) if exif else None
    except struct.error:
        found = None
    return found or (xmp_orientation(xmp) if xmp else 1)


def _upright_planes(
    size: tuple[int, int],
    orientation: int,
    with_alpha: bool,
    fill: Fill,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Upright float32 planes, 3 x H x W and 1 x H x W or None; `fill` gets views in the orientation of the file."""
    height, width = size if orientation < 5 else size[::-1]
    planes = np.empty((3, height, width), np.float32)
    alpha = np.empty((1, height, width), np.float32) if with_alpha else None
    fill(_as_stored(planes, orientation), None if alpha is None else _as_stored(alpha, orientation))
    return planes, alpha


def _as_stored(planes: np.ndarray, orientation: int) -> np.ndarray:
    """A view of upright C x H x W planes in the row order of a file with this EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        planes = planes.transpose(0, 2, 1)
    if orientation in (3, 4, 6, 7):
        planes = planes[:, ::-1]
    if orientation in (2, 3, 7, 8):
        planes = planes[:, :, ::-1]
    return planes

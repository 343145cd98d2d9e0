"""Read TIFF pages: with Pillow if it keeps their samples, otherwise with tifffile."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from ..errors import ImageError
from . import raw, tiff
from .fileinfo import tiff_info
from .formats import check_size
from .metadata import ORIENTATION
from .modes import MODES, plain_image, srgb_profile
from .partial import CutOffError, damage_note, load_part
from .picture import FileInfo
from .stored import Stored, filled_by_image, filled_by_samples

if TYPE_CHECKING:
    from .tiff_values import Values

_UNSIGNED = 1
# Colour types of up to 8 bits that Pillow reads without change: grey, RGB, palette, CMYK, YCbCr.
_PLAIN_COLORS = {0, 1, 2, 3, 5, 6}


def read_tiff(file: BinaryIO, name: str, page: int, allow_damaged: bool) -> Stored:
    """Read a page of a TIFF.

    Args:
        file: open for reading, at any position.
        name: name of the file, for messages.
        page: page number, from 0.
        allow_damaged: read as much as possible of a damaged page.

    Raises:
        ImageError: there is no such page, or it is too large, truncated or of an unsupported kind.
        Exception: whatever a decoder raises on a damaged file.
    """
    pages = tiff.read_pages(file)
    if tiff.is_raw(file, pages[0][1]):
        return stored_raw(file, name)
    if page >= len(pages):
        raise ImageError(f"{name} has no page {page + 1}; it has {len(pages)}.")
    place, directory = pages[page]
    size = [tiff.values_of(directory, tag) for tag in (tiff.WIDTH, tiff.HEIGHT)]
    if all(size):
        check_size(size[0][0], size[1][0], name)
    frame = _Frame(file, name, page, place, allow_damaged, directory, tiff_info(file, directory), len(pages))
    return frame.by_pillow() if _is_plain(directory) else frame.by_tifffile()


def page_note(page: int, n_pages: int) -> str:
    """The note that says which page of a TIFF was read."""
    return f"This is page {page + 1} of the {n_pages} in the file."


def stored_raw(file: BinaryIO, name: str) -> Stored:
    """Develop a camera raw file.

    Raises:
        ImageError: it cannot be developed here.
    """
    size, fill = filled_by_samples(raw.develop(file, name))
    info = FileInfo(format="camera raw", lossless=False)
    return Stored(size, fill, False, info, "RGB", True, None, srgb_profile(), 1, notes=(raw.NOTE,))


def _is_plain(directory: ImageFileDirectory_v2) -> bool:
    bits = max(tiff.values_of(directory, tiff.BITS), default=1)
    kinds = set(tiff.values_of(directory, tiff.SAMPLE_FORMAT)) or {_UNSIGNED}
    colors = set(tiff.values_of(directory, tiff.PHOTOMETRIC))
    return bits <= 8 and kinds <= {_UNSIGNED} and colors <= _PLAIN_COLORS


class _Frame:
    """Reader of one page."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        page: int,
        place: int,
        allow_damaged: bool,
        directory: ImageFileDirectory_v2,
        info: FileInfo,
        n_pages: int,
    ) -> None:
        self._file, self._name, self._page, self._place = file, name, page, place
        self._allow_damaged, self._directory = allow_damaged, directory
        self._info, self._n_pages = info, n_pages

    def by_pillow(self) -> Stored:
        self._file.seek(0)
        image: Image.Image = TiffImageFile(self._file)
        if self._place:
            image.seek(self._place)
        check_size(*image.size, self._name)
        exif = self._exif(image.getexif())
        # Pillow leaves rows black if the directory names no strip for them.
        share = min(load_part(image), tiff.declared_share(self._directory))
        self._check_share(share)
        # Pillow rotates a page upright when it loads it, and then drops its orientation.
        orientation = self._orientation() if ORIENTATION in image.tag_v2 else 1  # type: ignore[attr-defined]
        mode = MODES.get(image.mode, "grey")
        extra = tiff.values_of(self._directory, tiff.EXTRA_SAMPLES)
        notes = ("A channel of the file that is neither colour nor alpha was left out.",) if 0 in extra else ()
        image, more = plain_image(image)
        size, fill, with_alpha = filled_by_image(image)
        return self._told(
            Stored(
                size,
                fill,
                with_alpha,
                self._info,
                mode,
                exif=exif,
                icc_profile=image.info.get("icc_profile"),
                orientation=orientation,
                notes=(*notes, *more),
            ),
            share,
        )

    def by_tifffile(self) -> Stored:
        from tifffile import TiffFile, logger

        from .tiff_decode import decode_page
        from .tiff_values import to_values

        # tifffile logs oddities; without a logging setup, Python would print them among our messages.
        if not logger().handlers:
            logger().addHandler(logging.NullHandler())
        exif = self._exif(self._own_exif())
        self._file.seek(0)
        with TiffFile(self._file) as file:
            page: Any = file.pages[self._place]
            samples, share = decode_page(page, self._name)
            self._check_share(share)
            values: Values = to_values(samples, page, self._name)
        profile = self._directory.get(tiff.ICC_PROFILE)
        profile = srgb_profile() if values.is_srgb else profile if isinstance(profile, bytes) else None
        if values.image is not None:
            values.image.info["icc_profile"] = profile
            image, more = plain_image(values.image)
            size, fill, with_alpha = filled_by_image(image)
            profile, notes, is_deep = image.info.get("icc_profile"), (*values.notes, *more), False
        else:
            assert values.samples is not None
            size, fill = filled_by_samples(values.samples)
            with_alpha, notes, is_deep = values.with_alpha, values.notes, True
        return self._told(
            Stored(
                size,
                fill,
                with_alpha,
                self._info,
                values.mode,
                is_deep,
                exif,
                profile,
                self._orientation(),
                notes=notes,
            ),
            share,
        )

    def _told(self, stored: Stored, share: float) -> Stored:
        notes = stored.notes
        if share < 1:
            notes = (damage_note(share), *notes)
        if self._n_pages > 1:
            notes = (page_note(self._page, self._n_pages), *notes)
        return replace(stored, n_frames=self._n_pages, notes=notes, is_whole=share == 1)

    def _check_share(self, share: float) -> None:
        if share < 1 and not self._allow_damaged:
            raise CutOffError(self._name, share)

    def _orientation(self) -> int:
        value = self._directory.get(ORIENTATION)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1

    def _own_exif(self) -> Image.Exif:
        self._file.seek(0)
        head = self._file.read(4)
        exif = Image.Exif()
        exif.endian = "<" if head[:2] == b"II" else ">"
        exif.bigtiff = 43 in (head[2], head[3])
        exif.load_from_fp(self._file, self._directory.offset)
        return exif

    def _exif(self, source: Image.Exif) -> bytes | None:
        try:
            return tiff.exif_block(source)
        except Exception:  # Pillow raises any type of exception on damaged blocks
            return b""

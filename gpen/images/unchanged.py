"""Check whether a picture is unchanged, so that the bytes of its file can be the result."""

from __future__ import annotations

from pathlib import Path

import torch

from ..errors import ImageError
from .picture import Picture, Source
from .read import read_bytes, read_picture


def unchanged_bytes(picture: Picture, kind: str) -> bytes | None:
    """The bytes of a picture's file if the picture is unchanged and `kind` is the format of the file, else None.

    The file is read again, since the file or the picture may have changed in the meantime.
    """
    source = _candidate(picture, kind)
    if source is None or picture.page:
        return None
    try:
        data = source.path.read_bytes()
        again = read_bytes(data, str(source.path))
    except (OSError, ImageError):
        return None
    return data if _is_same(again, picture) else None


def unchanged_page(picture: Picture) -> Path | None:
    """The TIFF that holds this page unchanged, or None."""
    source = _candidate(picture, "TIFF")
    if source is None:
        return None
    try:
        again = read_picture(source.path, page=picture.page)
    except ImageError:
        return None
    return source.path if _is_same(again, picture) else None


def _candidate(picture: Picture, kind: str) -> Source | None:
    source = picture.source
    if source is None or picture.info.format != kind:
        return None
    is_same = picture.pixels is source.pixels or torch.equal(picture.pixels, source.pixels)
    return source if is_same else None


def _is_same(again: Picture, picture: Picture) -> bool:
    alphas = (again.alpha, picture.alpha)
    return (
        again.size == picture.size
        and torch.equal(again.pixels, picture.pixels)
        and (alphas == (None, None) or (None not in alphas and torch.equal(*alphas)))  # type: ignore[arg-type]
        and (again.exif, again.icc_profile, again.info) == (picture.exif, picture.icc_profile, picture.info)
        and (again.mode, again.bit_depth, again.n_frames) == (picture.mode, picture.bit_depth, picture.n_frames)
    )

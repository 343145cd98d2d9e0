"""Read faces for training and evaluation.

Faces come from a folder of pictures, a parquet file, or a folder that the `datasets` library wrote; the last two
hold pictures in a column `image`, as bytes or as a struct of `bytes` and `path`.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from ..errors import MissingPackageError, SettingsError

log = logging.getLogger(__name__)

HELD_OUT = 10  # every tenth face is never used for training
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def read_faces(
    path: Path, limit: int | None = None, size: int = 256, every: int = 1, *, nearest: bool = False
) -> np.ndarray:
    """Read faces from a folder, a parquet file or a `datasets` folder, in the order of names or rows.

    Args:
        path: folder or file.
        limit: how many; None for all.
        size: side S to which they are resized.
        every: read only every n-th; `HELD_OUT` gives the held-out faces.
        nearest: resize to the nearest pixel, for maps whose colours must not be mixed.

    Returns:
        N x S x S x 3 uint8 RGB.

    Raises:
        SettingsError: there are no pictures, the column is missing, or a picture is unreadable or not square.
        MissingPackageError: reading a table needs pyarrow, which is not installed.
    """
    sources = _sources(path)[::every][:limit]
    if not sources:
        raise SettingsError(
            f"{path} holds no pictures; give a folder of pictures or a parquet file with a column image."
        )
    faces = np.empty((len(sources), size, size, 3), np.uint8)
    enlarged = 0
    for face, (name, source) in zip(faces, sources, strict=True):
        face[:], side = _decode(name, source, size, nearest)
        enlarged += side < size
    if enlarged:
        log.warning("%d of %d pictures are smaller than %d pixels and were enlarged", enlarged, len(sources), size)
    return faces


def group_weights(path: Path, limit: int | None = None) -> np.ndarray:
    """Sampling weights of faces so that all groups of people are used equally often.

    Args:
        path: as for `read_faces`; without a column `group`, all weights are equal.
        limit: how many; None for all.

    Returns:
        N float64, mean 1.
    """
    groups = ["" for _ in _sources(path)]
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        if "group" in parquet.read_schema(path).names:
            groups = parquet.read_table(path, columns=["group"])["group"].to_pylist()
    _, which, counts = np.unique(np.array(groups[:limit], str), return_inverse=True, return_counts=True)
    weights = 1 / counts[which]
    return weights / weights.mean()


def to_images(pictures: np.ndarray | torch.Tensor) -> torch.Tensor:
    """N x S x S x 3 uint8 as N x 3 x S x S float32 in 0..1, on the device they are on."""
    return torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 255


def split(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split faces into those for training and the fixed held-out tenth."""
    held = np.arange(len(faces)) % HELD_OUT == 0
    return faces[~held], faces[held]


def _sources(path: Path) -> list[tuple[str, Any]]:
    """Name and file or bytes of each picture."""
    if path.suffix == ".parquet":
        return _column(path, [path])
    if not path.is_dir():
        raise SettingsError(f"{path} is neither a folder nor a parquet file; give one of them.")
    pictures = sorted(file for file in path.rglob("*") if file.suffix.lower() in _PICTURES)
    if pictures:
        return [(str(file), file) for file in pictures]
    return _column(path, sorted([*path.rglob("*.parquet"), *path.rglob("*.arrow")]))


def _column(path: Path, files: list[Path]) -> list[tuple[str, Any]]:
    """The rows of the column `image` in tables."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingPackageError("Reading tables of faces needs pyarrow; install gpen-blocks[training].") from error
    found = []
    for file in files:
        try:
            if file.suffix == ".parquet":
                table = parquet.read_table(file)
            else:
                with arrow.memory_map(str(file)) as source:
                    table = arrow.ipc.open_stream(source).read_all()
        except (OSError, arrow.ArrowInvalid) as error:
            raise SettingsError(f"{file} cannot be read as a table of faces: {error}") from error
        if "image" not in table.column_names:
            raise SettingsError(f"{file} has no column image, only {', '.join(table.column_names)}.")
        for number, row in enumerate(table["image"].to_pylist()):
            picture = row.get("bytes") if isinstance(row, dict) else row
            if not isinstance(picture, bytes):  # a path in someone else's file would refer to this machine
                raise SettingsError(f"{file}, row {number} holds no picture as bytes; store the pictures in the table.")
            found.append((f"{file}, row {number}", picture))
    return found


def _decode(name: str, source: Any, size: int, nearest: bool) -> tuple[np.ndarray, int]:
    """A resized picture, and its original side."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            picture = file.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise SettingsError(f"{name} cannot be read as a picture ({error}); take it out or replace it.") from error
    if picture.width != picture.height:
        raise SettingsError(
            f"{name} is {picture.width} x {picture.height}; faces to teach with are square aligned crops, "
            "as FFHQ has them."
        )
    side = picture.width
    if side != size:
        picture = picture.resize((size, size), Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS)
    return np.asarray(picture), side

"""Pictures without faces, on which the detector must find nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ...degradation.faces import read_faces

SIDE = 256
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
TILES_A_PICTURE = 24


def read_backgrounds(tables: Sequence[Path], scenery: Path | None, seed: int) -> np.ndarray:
    """Read all backgrounds, N x 256 x 256 x 3 uint8: those of the tables, and tiles of large pictures.

    Args:
        tables: parquet files with a column `image`.
        scenery: a folder with large pictures at any depth.
        seed: random seed of the tile positions.
    """
    parts = [read_faces(table) for table in tables]
    if scenery is not None:
        parts.append(cut_tiles(scenery, seed))
    return np.concatenate(parts)


def cut_tiles(folder: Path, seed: int) -> np.ndarray:
    """Cut tiles from all pictures below a folder, N x 256 x 256 x 3 uint8: squares of random size and position."""
    rng = np.random.default_rng(seed)
    tiles = []
    for path in sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()):
        with Image.open(path) as file:
            picture = np.asarray(file.convert("RGB"))
        shorter = min(picture.shape[:2])
        for _ in range(TILES_A_PICTURE if shorter >= SIDE else 0):
            side = int(np.exp(rng.uniform(np.log(SIDE), np.log(shorter))))
            y, x = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
            part = picture[y : y + side, x : x + side]
            tiles.append(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return np.stack(tiles) if tiles else np.empty((0, SIDE, SIDE, 3), np.uint8)

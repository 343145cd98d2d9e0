"""Maps of faces to teach drawing with: read from pictures, or sketched from each face."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from ....weights.files import replacing
from ...degradation.faces import read_faces
from ...errors import SettingsError
from ...faces.landmarks.find import find_in_crops
from ...faces.masks.maps import sketch_map
from ...faces.masks.parts import template_landmarks
from ...models import choose_landmarker
from ...tasks.maps import labels_of
from ...wording import count

log = logging.getLogger(__name__)

_AT_ONCE = 64


def read_maps(path: Path, faces: int, size: int) -> np.ndarray:
    """Read coloured maps, one for each face and in the same order.

    Args:
        path: as for `read_faces`.
        faces: number of faces.
        size: side S of the faces.

    Returns:
        N x S x S uint8, the classes of `tasks.maps`.

    Raises:
        SettingsError: there are not as many maps as faces, or they are not in the colours of CelebAMask-HQ.
    """
    coloured = read_faces(path, faces, size, nearest=True)
    if len(coloured) != faces:
        raise SettingsError(f"{path} has {count(len(coloured), 'map')} for {count(faces, 'face')}; give one for each.")
    return np.stack([labels_of(picture) for picture in coloured])


def maps_of(faces: np.ndarray, folder: Path) -> np.ndarray:
    """Sketch the maps of faces, see `sketch_map`; kept in `maps.npz` of a folder for the next time.

    Args:
        faces: N x S x S x 3 uint8, aligned as FFHQ.
        folder: folder of the run.

    Returns:
        N x S x S uint8, the classes of `tasks.maps`.
    """
    kept = folder / "maps.npz"
    if kept.exists():
        maps = np.load(kept)["maps"]
        if maps.shape == faces.shape[:3]:
            return maps
    size = faces.shape[1]
    landmarker = choose_landmarker()[0].module
    maps = np.empty(faces.shape[:3], np.uint8)
    for first in range(0, len(faces), _AT_ONCE):
        chunk = faces[first : first + _AT_ONCE]
        crops = torch.from_numpy(chunk).movedim(-1, 1).float() / 255
        points = find_in_crops(landmarker, crops, template_landmarks(len(chunk), size, "ffhq"))
        maps[first : first + len(chunk)] = [sketch_map(*pair) for pair in zip(chunk, points, strict=True)]
        if first % (8 * _AT_ONCE) == 0:
            log.info("sketched %d of %d maps", first + len(chunk), len(faces))
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, maps=maps)
    return maps

"""Maps of facial parts: the 19 classes of CelebAMask-HQ and their colours.

A map is B x H x W uint8, the index of each pixel's class; a drawn map is RGB in the colours below.
"""

from __future__ import annotations

import numpy as np

from ..errors import ImageError
from ..wording import count

COLOURS = {
    "background": (0, 0, 0),
    "skin": (204, 0, 0),
    "nose": (76, 153, 0),
    "eye_g": (204, 204, 0),
    "l_eye": (51, 51, 255),
    "r_eye": (204, 0, 204),
    "l_brow": (0, 255, 255),
    "r_brow": (51, 255, 255),
    "l_ear": (102, 51, 0),
    "r_ear": (255, 0, 0),
    "mouth": (102, 204, 0),
    "u_lip": (255, 255, 0),
    "l_lip": (0, 0, 153),
    "hair": (0, 0, 204),
    "hat": (255, 51, 153),
    "ear_r": (0, 204, 204),
    "neck_l": (0, 51, 0),
    "neck": (255, 153, 51),
    "cloth": (0, 204, 0),
}
"""Classes in the order of CelebAMask-HQ, and their colours in the maps that come with GPEN's Seg2face, RGB.

l_ and r_ are the person's own left and right. The list of colours in the authors' `face_parsing.py` has another r_brow,
which none of their maps has.
"""

CLASSES = tuple(COLOURS)
PALETTE = np.array(list(COLOURS.values()), np.uint8)
# Largest difference in a channel from a class's colour: what JPEG does to a flat area. The classes are at least 51
# apart.
_TOLERANCE = 25
# Share of pixels that may be off: the edges of a map drawn with a soft brush or saved as JPEG.
_MAY_BE_OFF = 0.05


def labels_of(coloured: np.ndarray) -> np.ndarray:
    """The classes of a drawn map: for each pixel the nearest colour.

    Args:
        coloured: H x W x 3 uint8 RGB in the colours of `COLOURS`; or H x W uint8, the classes themselves.

    Returns:
        H x W uint8.

    Raises:
        ImageError: it is no such map; the message says how many pixels have another colour.
    """
    if coloured.dtype != np.uint8 or coloured.ndim not in (2, 3) or (coloured.ndim == 3 and coloured.shape[2] != 3):
        raise ImageError(f"A map must be H x W x 3 or H x W of uint8, got {coloured.shape} of {coloured.dtype}.")
    if coloured.ndim == 2:
        if coloured.size and coloured.max() >= len(CLASSES):
            raise ImageError(f"A map has the classes 0 to {len(CLASSES) - 1}, but {coloured.max()} occurs in this one.")
        return coloured
    colours, which = np.unique(coloured.reshape(-1, 3), axis=0, return_inverse=True)
    away = abs(colours[:, None].astype(np.int16) - PALETTE.astype(np.int16)).max(axis=2)
    off = (away.min(axis=1) > _TOLERANCE)[which].mean()
    if off > _MAY_BE_OFF:
        raise ImageError(
            f"{off:.0%} of the pixels have none of the {count(len(CLASSES), 'colour')} of a map; draw it in the "
            "colours of the legend (`gpen draw --legend`), without soft edges, and save it as PNG."
        )
    return away.argmin(axis=1).astype(np.uint8)[which].reshape(coloured.shape[:2])


def colour_of(labels: np.ndarray) -> np.ndarray:
    """A map in colours: ... x H x W uint8 classes to ... x H x W x 3 uint8 RGB."""
    return PALETTE[labels]


def mirror_labels(labels: np.ndarray) -> np.ndarray:
    """A map seen in a mirror: left and right parts change places; ... x H x W."""
    swapped = np.arange(len(CLASSES), dtype=np.uint8)
    for part in ("eye", "brow", "ear"):
        left, right = CLASSES.index(f"l_{part}"), CLASSES.index(f"r_{part}")
        swapped[left], swapped[right] = right, left
    return swapped[labels[..., ::-1]]

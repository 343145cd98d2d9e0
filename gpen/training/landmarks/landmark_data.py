"""Training data of the 68-point landmark network: labels in iBUG order, and crops with labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...faces.landmarks.small68 import CROP, CROP_SHAPE, MIRRORED68
from ...faces.masks.parts import five_of_68
from ..shared.face_crops import CropMaker

# Labels whose views differ by more than this, in eye distances, are not used.
UNSURE = 0.03

# Points of MediaPipe's mesh (canonical_face_model) along the lines of iBUG's points, from the viewer's left to right.
_LEFT_JAW = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152)
_RIGHT_JAW = (152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356)
_LEFT_BROW = ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55))  # upper edge, lower edge
_RIGHT_BROW = ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276))
# In iBUG's annotations, the points of the brows are above the middle line, those at the ends on it.
_UPPER_SHARE = np.array([0.5, 0.65, 0.65, 0.65, 0.5])[:, None]
_BRIDGE = ((168, 6), (6, 6), (197, 197), (195, 195), (5, 5), (4, 4))
# Points between two points of the mesh, with the weight of the first.
_NOSTRILS = ((98, 97, 0.6), (97, 97, 1), (2, 2, 1), (326, 326, 1), (327, 326, 0.6))
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_UPPER_LIP = ((61, 61), (40, 39), (37, 37), (0, 0), (267, 267), (269, 270), (291, 291))
_LOWER_LIP = ((405, 321), (314, 314), (17, 17), (84, 84), (181, 91))
_INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)


def ibug_of_mesh(mesh: np.ndarray) -> np.ndarray:
    """Convert a face mesh to the 68 landmarks.

    Each half of the jaw, the brows and the bridge of the nose are divided evenly along their length, as in iBUG 300-W
    (Sagonas et al., "300 Faces in-the-Wild Challenge", 2013); the rest are points of the mesh or between two of them.

    Args:
        mesh: ... x 478 x 2.

    Returns:
        ... x 68 x 2.
    """

    def between(pairs: tuple[tuple[int, int], ...]) -> np.ndarray:
        return (mesh[..., [a for a, _ in pairs], :] + mesh[..., [b for _, b in pairs], :]) / 2

    jaws = [_evenly(mesh[..., points, :], 9) for points in (_LEFT_JAW, _RIGHT_JAW)]
    brows = [
        _evenly(_UPPER_SHARE * mesh[..., upper, :] + (1 - _UPPER_SHARE) * mesh[..., lower, :], 5)
        for upper, lower in (_LEFT_BROW, _RIGHT_BROW)
    ]
    share = np.array([share for _, _, share in _NOSTRILS])[:, None]
    nostrils = (
        share * mesh[..., [a for a, _, _ in _NOSTRILS], :] + (1 - share) * mesh[..., [b for _, b, _ in _NOSTRILS], :]
    )
    parts = [
        *(jaws[0], jaws[1][..., 1:, :], *brows),
        *(_evenly(between(_BRIDGE), 4), nostrils, mesh[..., _EYES, :]),
        *(between(_UPPER_LIP), between(_LOWER_LIP), mesh[..., _INNER_LIPS, :]),
    ]
    return np.concatenate(parts, axis=-2)


def read_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read labels written by `label_landmarks`.

    Returns:
        N x 68 x 2 float32 in pixels of the pictures, pixel centres at integers, and N bool: whether the label is
        reliable.
    """
    with np.load(path) as file:
        mesh, spread = file["mesh"], file["spread"]
    plain, mirrored = np.moveaxis(ibug_of_mesh(mesh), 1, 0)
    points = (plain + mirrored[:, list(MIRRORED68)]) / 2
    return points.astype(np.float32), spread < UNSURE * eye_distance(points)


def eye_distance(points: np.ndarray) -> np.ndarray:
    """Distance between the centres of the eyes: ... x 68 x 2 to ..."""
    five = five_of_68(points)
    return np.linalg.norm(five[..., 1, :] - five[..., 0, :], axis=-1)


def crop_maker(faces: np.ndarray, points: np.ndarray, backgrounds: np.ndarray, seed: int) -> CropMaker:
    """Make random crops with 68 landmarks for the network; for `faces` and `points` see `read_labels`."""
    corner = points + 0.5
    return CropMaker(faces, five_of_68(corner), backgrounds, seed, wanted=corner, side=CROP, shape=CROP_SHAPE)


def _evenly(curve: np.ndarray, count: int) -> np.ndarray:
    """`count` evenly spaced points along a polyline: ... x K x 2 to ... x count x 2."""
    along = np.linalg.norm(np.diff(curve, axis=-2), axis=-1).cumsum(axis=-1)
    along = np.concatenate([np.zeros_like(along[..., :1]), along], axis=-1)
    divided = np.empty((*curve.shape[:-2], count, 2), curve.dtype)
    for index in np.ndindex(along.shape[:-1]):
        at = np.linspace(0, along[index][-1], count)
        for axis in (0, 1):
            divided[index][:, axis] = np.interp(at, along[index], curve[index][:, axis])
    return divided

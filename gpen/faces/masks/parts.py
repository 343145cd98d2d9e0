"""Soft masks of the parts of a face: brows, eyes, lips, nose, cheeks, hairline, skin and hair.

Convention: points are (x, y) in pixels of the crop; 68 landmarks are in iBUG order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F

from ...errors import ImageError
from ...pixels.filters import smoothstep
from ...pixels.warp import transform_points
from ...types import Alignment
from ..align import TEMPLATES
from .contour import convex_hull, head_outline, landmark_outline, signed_distance

Part = Literal["brows", "eyes", "lips", "nose", "cheeks", "hairline", "skin", "hair"]

# Shapes are drawn on a grid of this side and enlarged: a soft edge has no finer detail.
_GRID = 64
# A face of less than this share of the side is a point.
_LEAST_EXTENT = 1e-4
# Width of the soft edge as a share of the crop's side: 16 px at 512.
_FEATHER = 1 / 32
_CENTRES = (np.arange(_GRID) + 0.5) / _GRID
_POINTS = np.stack(np.meshgrid(_CENTRES, _CENTRES), axis=-1)

# The mean of 2-D faces without the jaw, points 17 to 67 in a unit box: the mean shape behind dlib's and FaceSwap's
# alignment (of iBUG 300-W annotations).
_MEAN_X = (
    *(0.000213, 0.075262, 0.181130, 0.290770, 0.393397, 0.586856, 0.689483, 0.799124, 0.904991, 0.980040),
    *(0.490127, 0.490127, 0.490127, 0.490127, 0.366880, 0.426036, 0.490127, 0.554217, 0.613373),
    *(0.121737, 0.187122, 0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428, 0.793132, 0.858516),
    *(0.797510, 0.719335, 0.254149, 0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104, 0.642159),
    *(0.556721, 0.490127, 0.423532, 0.338094, 0.290379, 0.428096, 0.490127, 0.552157, 0.689874, 0.553364),
    *(0.490127, 0.426890),
)
_MEAN_Y = (
    *(0.106454, 0.038915, 0.018748, 0.034489, 0.077391, 0.077391, 0.034489, 0.018748, 0.038915, 0.106454),
    *(0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326),
    *(0.216423, 0.178758, 0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852, 0.178758, 0.216423),
    *(0.244077, 0.245099, 0.780233, 0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233, 0.864805),
    *(0.902192, 0.909281, 0.902192, 0.864805, 0.784792, 0.778746, 0.785343, 0.778746, 0.784792, 0.824182),
    *(0.831803, 0.824182),
)
_MEAN = np.stack([_MEAN_X, _MEAN_Y], axis=1)
# Indices of its points among the 68; the jaw comes before them.
_JAW_POINTS = 17


def five_of_68(landmarks68: np.ndarray) -> np.ndarray:
    """The five landmarks of a face, ... x 5 x 2, from its 68: eye centres, tip of the nose, mouth corners."""
    eyes = landmarks68[..., 36:42, :].mean(axis=-2), landmarks68[..., 42:48, :].mean(axis=-2)
    return np.stack([*eyes, *(landmarks68[..., index, :] for index in (30, 48, 54))], axis=-2)


def part_masks(landmarks: np.ndarray, size: int) -> dict[Part, torch.Tensor]:
    """Draw masks of the parts of faces in their crops.

    Args:
        landmarks: N x 68 x 2, or N x 5 x 2, in pixels of the crops. Five are enough for an upright face: the mean face
            is fitted to them (least-squares affine map).
        size: side S of the crops in pixels.

    Returns:
        For each part, N x 1 x S x S float32 in 0..1 with soft edges of S / 32. Eyes extend to the brows, which
        are a part of them; hairline is the band between forehead and hair; skin is the face without eyes and lips,
        including nose and cheeks; hair is the area within an eye distance above and beside the face, down to the ears.

    Raises:
        ImageError: the landmarks have a wrong shape, are not finite or coincide, or the side is below 1.
    """
    return {part: _enlarge(grid, size) for part, grid in _grids(landmarks, size).items()}


def part_gains(landmarks: np.ndarray, size: int, gains: Mapping[Part, float], elsewhere: float = 1.0) -> torch.Tensor:
    """Map of numbers per pixel from one number per part.

    Args:
        landmarks, size: as for `part_masks`.
        gains: numbers of the parts; where parts overlap, earlier ones of `Part` cover later ones.
        elsewhere: number outside all parts.

    Returns:
        N x 1 x S x S float32.
    """
    grids = _grids(landmarks, size)
    total = torch.full((len(landmarks), 1, _GRID, _GRID), float(elsewhere))
    for part in reversed(get_args(Part)):
        if part in gains:
            total = torch.lerp(total, torch.tensor(float(gains[part])), grids[part])
    return _enlarge(total, size)


def crop_landmarks(alignments: tuple[Alignment, ...], size: int) -> np.ndarray:
    """Landmarks of aligned faces in pixels of their crops, resized to a given side.

    Args:
        alignments: one per crop.
        size: current side of the crops.

    Returns:
        N x 68 x 2 if all faces have 68 finite landmarks, else N x 5 x 2.
    """
    all68 = all(
        alignment.face.landmarks68 is not None and np.isfinite(alignment.face.landmarks68).all()
        for alignment in alignments
    )
    points = np.empty((len(alignments), 68 if all68 and alignments else 5, 2))
    for index, alignment in enumerate(alignments):
        own = alignment.face.landmarks68 if all68 else alignment.face.landmarks
        points[index] = (transform_points(alignment.matrix, np.asarray(own)) + 0.5) * (size / alignment.crop_size) - 0.5
    return points


def template_landmarks(count: int, size: int, template: str = "gpen") -> np.ndarray:
    """N x 5 x 2; expected landmarks of aligned crops, for crops without an alignment."""
    return np.broadcast_to(TEMPLATES[template] * size, (count, 5, 2))


def _grids(landmarks: np.ndarray, size: int) -> dict[Part, torch.Tensor]:
    """The masks, N x 1 x grid x grid."""
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.ndim != 3 or landmarks.shape[1:] not in ((68, 2), (5, 2)) or not np.isfinite(landmarks).all():
        raise ImageError(f"Landmarks must be N x 68 x 2 or N x 5 x 2 and finite, got {landmarks.shape}.")
    if size < 1:
        raise ImageError(f"Masks of {size} x {size} pixels cannot be drawn; give the side of the crops.")
    if (np.ptp(landmarks, axis=1).max(axis=-1, initial=0) <= _LEAST_EXTENT * size).any():
        raise ImageError("The landmarks of a face all coincide; leave that face out.")
    drawn = [_draw((points + 0.5) / size) for points in landmarks]
    empty = np.zeros((0, _GRID, _GRID))
    planes = {part: np.stack([shapes[part] for shapes in drawn]) if drawn else empty for part in get_args(Part)}
    return {part: torch.from_numpy(plane[:, None]).float() for part, plane in planes.items()}


def _draw(points: np.ndarray) -> dict[Part, np.ndarray]:
    """The masks of one face on the grid, from landmarks in units of the crop's side."""
    if len(points) == 5:
        face, inner = head_outline(points), _mean_face(points)
    else:
        face, inner = landmark_outline(points), points[_JAW_POINTS:]
    brows, nose, eyes, mouth = inner[:10], inner[10:19], inner[19:31], inner[31:43]
    centres = eyes[:6].mean(axis=0), eyes[6:].mean(axis=0)
    across = centres[1] - centres[0]
    up = eyes.mean(axis=0) - mouth.mean(axis=0)
    up /= max(np.linalg.norm(up), 1e-9)
    reach = float(np.linalg.norm(across))

    beyond = signed_distance(face, _POINTS)
    in_face = _soft(beyond)
    eye_mask = np.maximum(*(_soft(_hull_distance(brows[half * 5 :][:5], eyes[half * 6 :][:6])) for half in (0, 1)))
    lips = _soft(_hull_distance(mouth))
    brow_mask = np.maximum(*(_soft(_hull_distance(brows[half * 5 :][:5])) for half in (0, 1)))
    # The cheekbones: below the outer half of each eye, above the height of the nose's tip.
    down = mouth.mean(axis=0) - eyes.mean(axis=0)
    bones = (centre + 0.45 * down + side * across for centre, side in zip(centres, (-0.25, 0.25), strict=True))
    cheeks = np.maximum(*(_ramp(0.4 * reach - np.linalg.norm(_POINTS - bone, axis=-1), 0.3 * reach) for bone in bones))
    above = _ramp((_POINTS - brows.mean(axis=0)) @ up, 0.25 * reach)
    beside = _ramp((_POINTS - eyes.mean(axis=0)) @ up + 0.5 * reach, 0.25 * reach)
    skin = in_face * (1 - eye_mask) * (1 - lips)
    return {
        "brows": brow_mask,
        "eyes": eye_mask,
        "lips": lips,
        "nose": _soft(_hull_distance(nose)) * (1 - lips),
        "cheeks": cheeks * skin,
        "hairline": _ramp(0.3 * reach - np.abs(beyond), 0.15 * reach) * above * (1 - eye_mask),
        "skin": skin,
        "hair": (1 - in_face) * beside * _ramp(1.1 * reach - beyond, 0.3 * reach),
    }


def _mean_face(five: np.ndarray) -> np.ndarray:
    """51 x 2: the mean face without its jaw, fitted to five landmarks."""
    padded = np.concatenate([np.zeros((_JAW_POINTS, 2)), _MEAN])
    source = np.concatenate([five_of_68(padded), np.ones((5, 1))], axis=1)
    affine = np.linalg.lstsq(source, five, rcond=None)[0]
    return np.concatenate([_MEAN, np.ones((len(_MEAN), 1))], axis=1) @ affine


def _hull_distance(*points: np.ndarray) -> np.ndarray:
    return signed_distance(convex_hull(np.concatenate(points)), _POINTS)


def _soft(distance: np.ndarray) -> np.ndarray:
    """1 within an outline, falling to 0 over the feather outside it."""
    return _ramp(_FEATHER - distance, _FEATHER)


def _ramp(distance: np.ndarray, width: float) -> np.ndarray:
    """Smooth step from 0 at a distance of 0 to 1 at `width`."""
    return smoothstep(distance, 0.0, max(width, 1e-9))


def _enlarge(grid: torch.Tensor, size: int) -> torch.Tensor:
    return F.interpolate(grid, (size, size), mode="bilinear", antialias=size < _GRID)

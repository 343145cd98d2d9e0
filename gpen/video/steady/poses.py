"""The pose of a face: that of the crop which `align_faces` would cut.

Convention: a pose is (x, y, logarithm of the side, angle) of a crop: its centre and side in pixels of the frame, and
its clockwise turn. Positions in a crop are in units of its side, 0..1. Poses are N x 4.
"""

from __future__ import annotations

import numpy as np

from ...faces.align import estimate_similarity_matrix
from ...pixels.warp import transform_points
from ...types import invert_matrix

ARM = 0.2
"""Distance from the centre of the crop, in sides, at which turning and scaling count like moving: where eyes are."""


def steps_of(poses: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The change N x 4 of each pose from the one before by a step, N x 2 x 3."""
    before = np.concatenate([poses[:1], poses[:-1]])
    centres = np.einsum("nij,nj->ni", steps[:, :, :2], before[:, :2]) + steps[:, :, 2]
    across, down = steps[:, 0, 0], steps[:, 1, 0]
    return np.column_stack([centres - before[:, :2], np.log(np.hypot(across, down)), np.arctan2(down, across)])


def poses_of(landmarks: np.ndarray, target: np.ndarray) -> np.ndarray:
    """N x 4: the pose of the crops in which landmarks, N x 5 x 2, lie on the target; angles without jumps."""
    inverse = np.stack([invert_matrix(matrix) for matrix in estimate_similarity_matrix(landmarks, target)])
    centres = inverse[:, :, :2] @ [0.5, 0.5] + inverse[:, :, 2]
    sides = np.log(np.hypot(inverse[:, 0, 0], inverse[:, 1, 0]))
    return np.column_stack([centres, sides, np.unwrap(np.arctan2(inverse[:, 1, 0], inverse[:, 0, 0]))])


def matrices_of(poses: np.ndarray) -> list[np.ndarray]:
    """The 2 x 3 matrices from the crops to the frames."""
    across, down = np.exp(poses[:, 2]) * np.cos(poses[:, 3]), np.exp(poses[:, 2]) * np.sin(poses[:, 3])
    linear = np.stack([np.stack([across, -down], 1), np.stack([down, across], 1)], 1)
    shift = poses[:, :2] - linear @ [0.5, 0.5]
    return list(np.concatenate([linear, shift[:, :, None]], axis=2))


def offset_of(to_crop: list[np.ndarray], detected: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The median pose of the crops by the detector's landmarks, N x 5 x 2 or NaN, within the crops as they are."""
    seen = np.flatnonzero(np.isfinite(detected).all(axis=(1, 2)))
    if not len(seen):
        return np.array([0.5, 0.5, 0.0, 0.0])
    return np.median(poses_of(mapped([to_crop[n] for n in seen], detected[seen]), target), axis=0)


def moved_within(poses: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The poses of crops within crops."""
    centres = mapped(matrices_of(poses), np.broadcast_to(offset[:2], (len(poses), 1, 2)))[:, 0]
    return np.column_stack([centres, poses[:, 2:] + offset[2:]])


def mapped(matrices: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Points N x K x 2, each set by its matrix."""
    return np.stack([transform_points(matrix, own) for matrix, own in zip(matrices, points, strict=True)])


def bounds_of(corners: np.ndarray) -> np.ndarray:
    """Boxes N x 4 of their opposite corners, N x 2 x 2."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)

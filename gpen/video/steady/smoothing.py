"""Smooth the way of each face over the frames, and let faces fade in and out.

Convention: a pose is (x, y, logarithm of the side, angle) of a crop: its centre and side in pixels of the frame, and
its clockwise turn. Positions in a crop are in units of its side, 0..1.
"""

from __future__ import annotations

import numpy as np

from ...faces.align import TEMPLATES, estimate_similarity_matrix
from ...pixels.warp import transform_points
from ...types import invert_matrix
from .joining import join_way
from .tracks import Tracks
from .windows import windowed

# Standard deviation in frames of the window for the 68 landmarks within the crop: a mouth moves fast.
_SHAPE_WINDOW = 2.0
# Distance from the centre of the crop, in sides, at which turning and scaling count like moving: that of the features.
_ARM = 0.2
FADE = 8
"""Frames over which a face fades in or out inside a shot."""
# A face that was not seen for so many frames has only been missed, and one for so many is hidden.
_MISSED, _HIDDEN = 3, 8


def smooth(tracks: Tracks, template: str) -> Tracks:
    """Smooth the way of each face.

    1. The pose of a face is that of the crop which `align_faces` would cut. Its landmarks are those of the 68-point
       network; the mean difference to the pose by the detector's own, which the networks were trained with, is added.
    2. The pose is smoothed by `join_way`, and the 68 landmarks within the crop by a Gaussian.
    3. The five landmarks become those of the template, mapped back by the pose, so that `align_faces` returns it.
    4. Where a track begins or ends inside a shot, its share of the strength rises or falls over a few frames; so it
       does around a gap in which the face was not seen, as far as the gap is long: something may be before it.

    Args:
        tracks: from `follow`.
        template: landmark template of the crops.

    Returns:
        The same rows.
    """
    target = TEMPLATES[template]
    fields = {name: getattr(tracks, name).astype(np.float64) for name in ("landmarks", "landmarks68", "box", "share")}
    for number in tracks.numbers:
        rows = tracks.rows_of(number)
        own = {name: values[rows] for name, values in fields.items()}
        raw = _poses(own["landmarks"], target)
        arm = _ARM * float(np.exp(np.median(raw[:, 2])))
        weights = np.array([1, 1, arm, arm])
        even = join_way(raw * weights, _steps_of(raw, tracks.step[rows]) * weights) / weights
        to_crop = [invert_matrix(matrix) for matrix in _matrices(even)]
        even = _moved(even, _offset(to_crop, tracks.detected[rows].astype(np.float64), target))
        shape = windowed(_mapped(to_crop, own["landmarks68"]).reshape(len(rows), -1), _SHAPE_WINDOW, degree=1)
        corners = windowed(
            _mapped(to_crop, own["box"].reshape(-1, 2, 2)).reshape(len(rows), -1), _SHAPE_WINDOW, degree=1
        )
        back = _matrices(even)
        fields["landmarks"][rows] = _mapped(back, np.broadcast_to(target, own["landmarks"].shape))
        fields["landmarks68"][rows] = _mapped(back, shape.reshape(-1, 68, 2))
        fields["box"][rows] = _bounds(_mapped(back, corners.reshape(-1, 2, 2)))
        fields["share"][rows] = _fade(tracks, rows)
    return tracks.take(np.arange(len(tracks)), **{name: values.astype(np.float32) for name, values in fields.items()})


def _steps_of(poses: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The change N x 4 of each pose from the one before by a step, N x 2 x 3."""
    before = np.concatenate([poses[:1], poses[:-1]])
    centres = np.einsum("nij,nj->ni", steps[:, :, :2], before[:, :2]) + steps[:, :, 2]
    across, down = steps[:, 0, 0], steps[:, 1, 0]
    return np.column_stack([centres - before[:, :2], np.log(np.hypot(across, down)), np.arctan2(down, across)])


def _poses(landmarks: np.ndarray, target: np.ndarray) -> np.ndarray:
    """N x 4: the pose of the crops in which landmarks, N x 5 x 2, lie on the target; angles without jumps."""
    inverse = np.stack([invert_matrix(matrix) for matrix in estimate_similarity_matrix(landmarks, target)])
    centres = inverse[:, :, :2] @ [0.5, 0.5] + inverse[:, :, 2]
    sides = np.log(np.hypot(inverse[:, 0, 0], inverse[:, 1, 0]))
    return np.column_stack([centres, sides, np.unwrap(np.arctan2(inverse[:, 1, 0], inverse[:, 0, 0]))])


def _matrices(poses: np.ndarray) -> list[np.ndarray]:
    """The 2 x 3 matrices from the crops to the frames."""
    across, down = np.exp(poses[:, 2]) * np.cos(poses[:, 3]), np.exp(poses[:, 2]) * np.sin(poses[:, 3])
    linear = np.stack([np.stack([across, -down], 1), np.stack([down, across], 1)], 1)
    shift = poses[:, :2] - linear @ [0.5, 0.5]
    return list(np.concatenate([linear, shift[:, :, None]], axis=2))


def _offset(to_crop: list[np.ndarray], detected: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The median pose of the crops by the detector's landmarks, N x 5 x 2 or NaN, within the crops as they are."""
    seen = np.flatnonzero(np.isfinite(detected).all(axis=(1, 2)))
    if not len(seen):
        return np.array([0.5, 0.5, 0.0, 0.0])
    return np.median(_poses(_mapped([to_crop[n] for n in seen], detected[seen]), target), axis=0)


def _moved(poses: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The poses of crops within crops."""
    centres = _mapped(_matrices(poses), np.broadcast_to(offset[:2], (len(poses), 1, 2)))[:, 0]
    return np.column_stack([centres, poses[:, 2:] + offset[2:]])


def _mapped(matrices: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Points N x K x 2, each set by its matrix."""
    return np.stack([transform_points(matrix, own) for matrix, own in zip(matrices, points, strict=True)])


def _bounds(corners: np.ndarray) -> np.ndarray:
    """Boxes N x 4 of their opposite corners, N x 2 x 2."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _fade(tracks: Tracks, rows: np.ndarray) -> np.ndarray:
    """The share of the strength in each frame of a track."""
    frames = tracks.frame[rows]
    begins, ends = tracks.shot_of(int(frames[0]))
    share = np.ones(len(rows))
    if frames[0] > begins:
        share = np.minimum(share, (frames - frames[0] + 1) / (FADE + 1))
    if frames[-1] < ends - 1:
        share = np.minimum(share, (frames[-1] - frames + 1) / (FADE + 1))
    for gap in _runs(frames[tracks.bridged[rows]]):
        depth = np.clip((len(gap) - _MISSED) / (_HIDDEN - _MISSED), 0, 1)
        off = np.maximum(np.maximum(gap[0] - frames, frames - gap[-1]), 0)
        share = np.minimum(share, 1 - depth * np.maximum(1 - off / (FADE + 1), 0))
    return share * share * (3 - 2 * share)


def _runs(numbers: np.ndarray) -> list[np.ndarray]:
    """Rising numbers in runs without a gap."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [run for run in runs if len(run)]

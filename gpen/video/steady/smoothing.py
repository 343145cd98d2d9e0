"""Smooth the way of each face over the frames, and let faces fade in and out."""

from __future__ import annotations

import numpy as np

from ...faces.align import TEMPLATES
from ...types import invert_matrix
from .joining import join_way
from .poses import ARM, bounds_of, mapped, matrices_of, moved_within, offset_of, poses_of, steps_of
from .tracks import Tracks
from .windows import windowed

# Standard deviation in frames of the window for the 68 landmarks within the crop: a mouth moves fast.
_SHAPE_WINDOW = 2.0
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
        raw = poses_of(own["landmarks"], target)
        arm = ARM * float(np.exp(np.median(raw[:, 2])))
        weights = np.array([1, 1, arm, arm])
        even = join_way(raw * weights, steps_of(raw, tracks.step[rows]) * weights) / weights
        to_crop = [invert_matrix(matrix) for matrix in matrices_of(even)]
        even = moved_within(even, offset_of(to_crop, tracks.detected[rows].astype(np.float64), target))
        shape = windowed(mapped(to_crop, own["landmarks68"]).reshape(len(rows), -1), _SHAPE_WINDOW, degree=1)
        corners = windowed(
            mapped(to_crop, own["box"].reshape(-1, 2, 2)).reshape(len(rows), -1), _SHAPE_WINDOW, degree=1
        )
        back = matrices_of(even)
        fields["landmarks"][rows] = mapped(back, np.broadcast_to(target, own["landmarks"].shape))
        fields["landmarks68"][rows] = mapped(back, shape.reshape(-1, 68, 2))
        fields["box"][rows] = bounds_of(mapped(back, corners.reshape(-1, 2, 2)))
        fields["share"][rows] = _fade(tracks, rows)
    return tracks.take(np.arange(len(tracks)), **{name: values.astype(np.float32) for name, values in fields.items()})


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

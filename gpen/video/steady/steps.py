"""The step of a face from one frame to the next, measured on its pixels.

Landmarks of single frames shake by some tenths of a pixel. The optical flow of many points between two frames tells how
a face went on far more exactly, and as well in quick motion; only where the face is, it does not tell.
"""

from __future__ import annotations

import cv2
import numpy as np

from ...faces.align import estimate_similarity_matrix
from ...pixels.warp import compose
from ...types import invert_matrix
from .looking import Sight

# Side in pixels of the patch that is cut around a face, and widths of the face (`Sight.width`) in it.
_SIDE, _WIDTHS = 112, 2.6
# Points of the part of a face that hardly moves by itself, from its middle in widths: columns, rows, and the ellipse in
# which they are. The mouth and the jaw are below.
_COLUMNS, _ROWS, _ELLIPSE = np.linspace(-0.75, 0.75, 11), np.linspace(-0.9, 0.3, 9), (0.8, 1.0)
# Deviation in pixels of the blur against noise, window of a point, and levels of the pyramid: the patches are aligned
# by landmarks already.
_BLUR, _WINDOW, _LEVELS = 1.0, 25, 2
# A point counts if it comes back to within this distance in pixels, and less the further it is from the common motion,
# in multiples of the usual distance, which is no less than the second value (Tukey's weights).
_RETURNS, _USUAL, _TUKEY = 0.6, 0.03, 4.7
_ROUNDS, _LEAST_POINTS = 6, 12


def find_step(before: np.ndarray, now: np.ndarray, was: Sight, is_now: Sight) -> np.ndarray | None:
    """The similarity by which a face moved on.

    1. Patches of the face are cut from both frames by its landmarks, so that they nearly lie on each other.
    2. Points between brows and upper lip are followed by pyramidal Lucas-Kanade flow, there and back.
    3. A similarity is fitted, by least squares with Tukey's weights.

    Args:
        before, now: H x W uint8, luma of two consecutive frames.
        was, is_now: the face in them.

    Returns:
        2 x 3, from points of the frame before to those of this one; None if too few points can be followed.
    """
    to_patch = _to_patch(was)
    moved = estimate_similarity_matrix(was.landmarks[None], is_now.landmarks)[0]
    now_to_patch = compose(to_patch, invert_matrix(moved))
    one, other = (_patch(frame, matrix) for frame, matrix in ((before, to_patch), (now, now_to_patch)))
    start = _points()
    there, found = _follow(one, other, start)
    back, returned = _follow(other, one, there)
    good = found & returned & (np.linalg.norm(back - start, axis=1) < _RETURNS)
    if good.sum() < _LEAST_POINTS:
        return None
    left = _fit(start[good].astype(np.float64), there[good].astype(np.float64))
    return compose(invert_matrix(now_to_patch), compose(left, to_patch))


def _points() -> np.ndarray:
    """K x 2 float32, in pixels of the patch."""
    places = np.stack(np.meshgrid(_COLUMNS, _ROWS), -1).reshape(-1, 2)
    inside = ((places / _ELLIPSE) ** 2).sum(axis=1) <= 1
    return (places[inside] * (_SIDE / _WIDTHS) + (_SIDE - 1) / 2).astype(np.float32)


def _to_patch(sight: Sight) -> np.ndarray:
    """2 x 3, from the frame to the patch; the face is not turned."""
    scale = _SIDE / (_WIDTHS * max(sight.width, 1e-3))
    shift = (_SIDE - 1) / 2 - scale * sight.centre
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])


def _patch(frame: np.ndarray, to_patch: np.ndarray) -> np.ndarray:
    patch = cv2.warpAffine(frame, to_patch, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.GaussianBlur(patch, (0, 0), _BLUR)


def _follow(one: np.ndarray, other: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points K x 2 of one patch are in the other, and whether they were found."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(  # pyright: ignore[reportCallIssue]
        one,
        other,
        points[:, None],
        None,  # pyright: ignore[reportArgumentType]
        winSize=(_WINDOW, _WINDOW),
        maxLevel=_LEVELS,
    )
    return there[:, 0], found[:, 0] == 1


def _fit(points: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The similarity 2 x 3 from points K x 2 to moved ones, of which some may be wrong."""
    x, y = points.T
    one, none = np.ones_like(x), np.zeros_like(x)
    system = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    target = np.concatenate([moved[:, 0], moved[:, 1]])
    weights, solution = np.ones(len(x)), np.zeros(4)
    for _ in range(_ROUNDS):
        each = np.tile(weights, 2)[:, None] ** 0.5
        solution = np.linalg.lstsq(system * each, target * each[:, 0], rcond=None)[0]
        off = np.linalg.norm((system @ solution - target).reshape(2, -1), axis=0)
        usual = max(float(np.median(off)), _USUAL)
        weights = np.maximum(1 - (off / (_TUKEY * usual)) ** 2, 0) ** 2
    a, b, right, down = solution
    return np.array([[a, -b, right], [b, a, down]])

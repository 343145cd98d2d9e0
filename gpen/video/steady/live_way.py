"""The way of one face, smoothed as its frames come."""

from __future__ import annotations

import numpy as np

from ...types import invert_matrix
from .looking import Sight
from .one_euro import OneEuro
from .poses import ARM, bounds_of, mapped, matrices_of, moved_within, poses_of, steps_of
from .preparing import SlowNumbers

# Cut-off at rest in Hz, Hz for each side of the crop per second, and cut-off of the speed in Hz, of the filter for the
# difference between the way by flow and the landmarks. In nine videos with known motion the jitter was 0.101 to 0.105
# pixels at a face of 100 for any cut-off from 0.05 to 0.5 Hz; the rise counts where flow finds no step. Without flow
# it was 0.27 at the best, with a lag of half a frame and more.
_PLACE = (0.2, 20.0, 1.0)
# The same for the 68 landmarks within the crop: a mouth moves fast.
_SHAPE = (1.5, 20.0, 1.0)
# After so many frames without a sight, the way begins anew.
_BROKEN = 3
_AS_FOUND = np.array([0.5, 0.5, 0.0, 0.0])


class LiveWay:
    """Smooths the pose of a face, and its landmarks within the crop.

    1. The steps by flow make a way that is exact from frame to frame, but drifts; where a step is not known, it stays.
       The difference to the poses by landmarks, which are right on average, is smoothed by a One-Euro filter and added.
    2. Speeds count in sides of the crop, so that a near face is treated as a far one.
    3. The mean difference to the pose by the detector's own landmarks is added, as in `smooth`; it changes slowly.

    Args:
        target: landmarks of the template, 5 x 2.
    """

    def __init__(self, target: np.ndarray) -> None:
        self._target = target
        self._offset: SlowNumbers | None = None
        self._points = np.zeros(0)
        self._begin()

    def _begin(self) -> None:
        self._place, self._shape = OneEuro(*_PLACE), OneEuro(*_SHAPE)
        self._way, self._missed, self._paused = np.zeros(4), 0, 0.0
        self._pose = np.zeros(0)

    def see(self, sight: Sight, step: np.ndarray | None, seconds: float) -> None:
        """Take in the next sight of the face.

        Args:
            sight: where it was found.
            step: from the frame before, 2 x 3; None if it is not known.
            seconds: since the frame before.
        """
        if self._missed >= _BROKEN:
            self._begin()
        seconds, self._missed, self._paused = seconds + self._paused, 0, 0.0
        raw = poses_of(sight.landmarks[None], self._target)[0]
        if len(self._pose):
            raw[3] = self._pose[3] + (raw[3] - self._pose[3] + np.pi) % (2 * np.pi) - np.pi
            if step is not None:
                # A step turns and scales about the origin of the frame, so it is taken from where the face was.
                self._way = self._way + steps_of(np.stack([self._pose] * 2), np.stack([step] * 2))[1]
        units = np.array([1, 1, 1 / ARM, 1 / ARM])
        units[:2] = np.exp(raw[2])
        self._pose = self._way + self._place.add((raw - self._way)[None], seconds, units)[0]
        if sight.detected is not None:
            to_crop = [invert_matrix(matrix) for matrix in matrices_of(self._pose[None])]
            new = poses_of(mapped(to_crop, sight.detected[None].astype(np.float64)), self._target)[0]
            self._offset = SlowNumbers(new, new) if self._offset is None else self._offset.judged(new)
        if self._offset is not None:
            self._offset = self._offset.next()
        to_crop = [invert_matrix(matrix) for matrix in self._matrices()]
        points = np.concatenate([sight.landmarks68, sight.box.reshape(2, 2)])[None]
        self._points = self._shape.add(mapped(to_crop, points)[0], seconds)

    def miss(self, shift: np.ndarray, seconds: float) -> None:
        """Go on without a sight, by (x, y) in pixels since the last frame."""
        self._missed, self._paused = self._missed + 1, self._paused + seconds
        change = np.concatenate([shift, np.zeros(2)])
        self._pose, self._way = self._pose + change, self._way + change

    def _matrices(self) -> list[np.ndarray]:
        offset = _AS_FOUND if self._offset is None else self._offset.now
        return matrices_of(moved_within(self._pose[None], offset))

    def now(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Five landmarks, 68 landmarks and box in this frame, as in `Tracks`."""
        back = self._matrices()
        points = mapped(back, self._points[None])
        return mapped(back, self._target[None])[0], points[0, :68], bounds_of(points[:, 68:])[0]

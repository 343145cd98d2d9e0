"""The One-Euro filter: smooths series as they come, without a look at what follows."""

from __future__ import annotations

import math

import numpy as np


class OneEuro:
    """Smooths points as they come: strongly at rest, where shaking is seen, and little in motion, where lag is.

    Casiez, Roussel, Vogel: "1 Euro filter: a simple speed-based low-pass filter for noisy input in interactive
    systems", CHI 2012. All coordinates of a point have the same cut-off, which follows from its speed.

    Args:
        rest: cut-off at rest, in Hz.
        gain: Hz by which the cut-off rises with each unit of speed.
        speed: cut-off of the filter for the speed, in Hz.
    """

    def __init__(self, rest: float, gain: float, speed: float) -> None:
        self._rest, self._gain, self._speed = rest, gain, speed
        self._raw = self._even = self._rate = np.zeros(0)

    def add(self, points: np.ndarray, seconds: float, units: np.ndarray | float = 1.0) -> np.ndarray:
        """Smooth the next points.

        Args:
            points: K x D.
            seconds: time since the ones before, positive.
            units: what counts as one in each coordinate, for the speed: D, or the same for all.

        Returns:
            K x D; the first ones as they are.
        """
        if not len(self._raw):
            self._raw, self._even, self._rate = points, points, np.zeros_like(points)
            return points
        rate = (points - self._raw) / seconds / units
        self._rate = self._rate + _share(self._speed, seconds) * (rate - self._rate)
        cutoff = self._rest + self._gain * np.linalg.norm(self._rate, axis=-1, keepdims=True)
        self._raw, self._even = points, self._even + _share(cutoff, seconds) * (points - self._even)
        return self._even


def _share(cutoff: np.ndarray | float, seconds: float) -> np.ndarray | float:
    """Share of the way to a new value, of a low-pass filter of first order."""
    turns = 2 * math.pi * cutoff * seconds
    return turns / (turns + 1)

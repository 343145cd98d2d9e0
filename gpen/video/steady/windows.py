"""Smooth series of numbers by windows that adapt to how fast they change."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

# Standard deviations of the Gaussian windows in frames, from the widest to the narrowest.
WINDOWS = (5.0, 2.5, 1.2)
# A narrower window counts from where the two differ by the first multiple of what noise makes them differ, and alone
# from the second.
_AGREES, _DIFFERS = 1.3, 2.6
# A single value further from its neighbours than this multiple of the noise, and than they are from each other, is
# replaced by their mean.
_SPIKE = 5.0
# Windows end at this many standard deviations.
_REACH = 3.0


def smooth_way(values: np.ndarray) -> np.ndarray:
    """Smooth a way through space.

    At each time a parabola is fitted with Gaussian weights, which keeps speed and acceleration (Savitzky and Golay
    1964; Cleveland 1979). A wide window is used where the way is even; where a narrower one differs by more than the
    noise of the values explains, that one, as in Lepski's rule (1990), with a soft transition.

    Args:
        values: N x D, in the same unit.

    Returns:
        N x D.
    """
    if len(values) < 3:
        return values.copy()
    noise = _noise_of(values)
    values = _without_spikes(values, noise)
    result = windowed(values, WINDOWS[0])
    total = max(float(np.linalg.norm(noise)), 1e-9)
    for wide, narrow in pairwise(WINDOWS):
        closer = windowed(values, narrow)
        apart = ((closer - windowed(values, wide)) ** 2).sum(axis=1, keepdims=True)
        apart = np.sqrt(np.maximum(windowed(apart, narrow, degree=0), 0)) / (total * _noise_apart(wide, narrow))
        part = np.clip((apart - _AGREES) / (_DIFFERS - _AGREES), 0, 1)
        part = windowed(part * part * (3 - 2 * part), narrow, degree=0)
        result = result + part * (closer - result)
    return result


def windowed(values: np.ndarray, sigma: float, degree: int = 2) -> np.ndarray:
    """Fit polynomials with Gaussian weights around each time.

    Args:
        values: N x D.
        sigma: standard deviation of the weights, in steps.
        degree: of the polynomials; lower if there are too few values.

    Returns:
        N x D, the value of each polynomial at its own time.
    """
    count = len(values)
    degree = min(degree, count - 1)
    reach = max(1, math.ceil(_REACH * sigma))
    steps = np.arange(-reach, reach + 1) / sigma
    weights = np.exp(-(steps**2) / 2)

    def sums(series: np.ndarray, power: int) -> np.ndarray:
        kernel = (weights * steps**power)[::-1]
        return np.apply_along_axis(lambda one: np.convolve(one, kernel)[reach : reach + count], 0, series)

    ones = np.ones(count)
    moments = [sums(ones, power) for power in range(2 * degree + 1)]
    system = np.stack([np.stack([moments[i + j] for j in range(degree + 1)], 1) for i in range(degree + 1)], 1)
    right = np.stack([sums(values, power) for power in range(degree + 1)], 1)
    return np.linalg.solve(system, right)[:, 0]


def _noise_of(values: np.ndarray) -> np.ndarray:
    """D: standard deviation of the noise of each series, from the median of its second differences."""
    bends = np.abs(np.diff(values, n=2, axis=0))
    return np.median(bends, axis=0) / (0.6745 * math.sqrt(6))


def _without_spikes(values: np.ndarray, noise: np.ndarray) -> np.ndarray:
    middle = (values[:-2] + values[2:]) / 2
    off, apart = np.abs(values[1:-1] - middle), np.abs(values[2:] - values[:-2])
    spike = (off > _SPIKE * np.maximum(noise, 1e-9)) & (off > 2 * apart)
    result = values.copy()
    result[1:-1] = np.where(spike, middle, values[1:-1])
    return result


def _noise_apart(wide: float, narrow: float) -> float:
    """Standard deviation of the difference of two windows on white noise of deviation 1, each of N x D alike."""
    impulse = np.zeros((2 * math.ceil(_REACH * wide) + 1, 1))
    impulse[len(impulse) // 2] = 1
    return float(np.linalg.norm(windowed(impulse, narrow) - windowed(impulse, wide)))

"""Join noisy places with exact steps into the likeliest smooth way.

Convention: series are N x D, in the same unit; one time after another.
"""

from __future__ import annotations

import math

import numpy as np

from .windows import smooth_way, windowed

# Order of the differences that measure noise: a head that turns within ten frames has next to nothing in them.
_HIGH = 6
# Window in frames over which jerks are taken as equally large.
_SAME_MOTION = 3.0
# Squared jerks that noise alone may have, in multiples of its variance: 20 on average, more by chance.
_OF_NOISE = 30.0
# Least jerk, in deviations of the noise: motion slower than about once in ten frames is always kept.
_LEAST_JERK = 0.4
# Times that are solved at once, and more at each side: what is further away does not count.
_BLOCK, _MARGIN = 256, 96


def join_way(places: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The likeliest smooth way, given its places and how each came from the one before.

    1. The steps make a way that is exact from frame to frame, but drifts and does not tell where it began. The
       difference to the places, which are right on average, is smoothed by `smooth_way` and added.
    2. What is left of noise is measured by differences of a high order, and smoothed away as far as the motion allows:
       `even_out`.

    Args:
        places: the way as it was seen.
        steps: difference to the place before, NaN where it is not known: it is that of the smooth places then. The
            first is not used.

    Returns:
        N x D.
    """
    if len(places) < 3:
        return places.copy()
    known = np.isfinite(steps[1:]).all(axis=1, keepdims=True)
    gone = np.where(known, steps[1:], np.diff(smooth_way(places), axis=0))
    way = np.concatenate([np.zeros_like(places[:1]), gone.cumsum(axis=0)])
    return even_out(way + smooth_way(places - way))


def even_out(way: np.ndarray) -> np.ndarray:
    """Smooth a way that is nearly smooth already.

    The sum of the squared distances to the way, in deviations of its noise, and of the squared jerks (third
    differences), in deviations of those that the motion itself has, is made as small as possible (Whittaker 1923;
    Eilers, "A perfect smoother", 2003). So a quick turn is smoothed as little as it must be.
    """
    count, series = way.shape
    if count <= _HIGH:
        return way.copy()
    # The variance of a difference of order k of white noise is that of the noise times (2k)! / k!^2.
    high = np.median(np.abs(np.diff(way, n=_HIGH, axis=0)), axis=0)
    noise = np.maximum(high / (0.6745 * math.sqrt(math.comb(2 * _HIGH, _HIGH))), 1e-9)
    squares = windowed(np.diff(way, n=3, axis=0) ** 2, _SAME_MOTION, degree=0)
    jerks = np.sqrt(np.maximum(squares - _OF_NOISE * noise**2, (_LEAST_JERK * noise) ** 2))
    weights = (noise / jerks) ** 2
    result = np.empty_like(way)
    for first in range(0, count, _BLOCK):
        last = min(first + _BLOCK, count)
        low, high_end = max(0, first - _MARGIN), min(count, last + _MARGIN)
        jerk = np.diff(np.eye(high_end - low), n=3, axis=0)
        for n in range(series):
            system = np.eye(high_end - low) + jerk.T @ (weights[low : high_end - 3, n, None] * jerk)
            result[first:last, n] = np.linalg.solve(system, way[low:high_end, n])[first - low : last - low]
    return result

"""Slope and cut-off of a curve of power over frequency.

Curves are B x R float64 on rings k / n, k = 0 .. n // 2, in cycles per pixel, as `radial_power` gives them.
"""

from __future__ import annotations

import math

import torch

from .power import RadialPower

# The line is fitted in this many logarithmic steps between these frequencies.
SLOPE_RANGE = (0.02, 0.35)
_SLOPE_STEPS = 24
# Minimum number of periods over the window for a frequency to be resolved.
_FIRST_PERIODS = 3
# At the cut-off, the power is 10 dB below what it would be without blur.
_DROP = 10.0
# After a Gaussian blur, the power of a natural picture, f^-2 (Field 1987), is f^-2 exp(-(2 pi sigma f)^2). Where the
# blur removes 10 dB, it falls as f^-(2 + 2 ln 10) = f^-6.6, or 6.8 if fitted over an octave. None of 60 sharp faces
# fell that fast for a quarter of an octave; nine in ten stayed below 5.3 everywhere.
_KNEE_SLOPE = 6.8


def fit_slope(curves: RadialPower) -> torch.Tensor:
    """Negative log-log slope of power over frequency: 2 for most photographs, 0 for white noise.

    Power is averaged in 24 logarithmic steps over 0.02..0.35 cycles per pixel (for small pictures, from three periods
    on), and a line is fitted to the steps, each weighted by the square root of its number of frequencies.

    Returns:
        B; 0 if there is too little data to fit.
    """
    low, high = SLOPE_RANGE
    edges = torch.logspace(math.log10(low), math.log10(high), _SLOPE_STEPS + 1, dtype=torch.float64)
    step = torch.bucketize(curves.frequencies, edges, right=True) - 1
    inside = (step >= 0) & (step < _SLOPE_STEPS)
    slopes = []
    for power, support in zip(curves.power, curves.supports, strict=True):
        used = inside & (curves.frequencies * support >= _FIRST_PERIODS) & (power > 0)
        counts, which = curves.counts[used], step[used]
        held, sums = (
            torch.zeros(_SLOPE_STEPS, dtype=torch.float64).index_add_(0, which, values)
            for values in (counts, counts * power[used])
        )
        mean_frequency = torch.zeros_like(held).index_add_(0, which, counts * curves.frequencies[used])
        full = held > 0
        if int(full.sum()) < 2:
            slopes.append(0.0)
            continue
        weights = held[full].sqrt()
        x, y = (mean_frequency[full] / held[full]).log(), (sums[full] / held[full]).log()
        x = x - (weights * x).sum() / weights.sum()
        slopes.append(-float((weights * x * y).sum() / (weights * x * x).sum()))
    return torch.tensor(slopes, dtype=torch.float64)


def find_cutoff(curves: RadialPower) -> torch.Tensor:
    """Frequency at which each picture's own detail ends, in cycles per pixel.

    1. Find the knee: the first frequency at which the power falls, over the octave around it, as steeply as that of an
       f^-2 picture where a Gaussian blur has removed 10 dB, and continues to do so for a quarter of an octave. A sharp
       picture has none. (Faces fall as fast as f^-3, with bumps; a line anchored at low frequencies would mistake that
       for blur.)
    2. Find the cut-off: the first frequency from the knee on with a power 10 dB below an f^-2 line through the octave
       that ends an octave below the knee. The loss of that octave to the blur is compensated as for a Gaussian blur.
    3. Limit the cut-off to the frequency at which the picture falls below its noise (`noise_limit`).

    After a Gaussian blur of sigma pixels, the cut-off is 0.2415 / sigma.

    Returns:
        B; 0.5 for fully sharp pictures. Pictures without any detail are not treated separately here.
    """
    found = [
        _blur_limit(curves.frequencies, power, float(support))
        for power, support in zip(curves.power, curves.supports, strict=True)
    ]
    return torch.minimum(torch.tensor(found, dtype=torch.float64), curves.noise_limits)


def _blur_limit(frequencies: torch.Tensor, power: torch.Tensor, support: float) -> float:
    first = math.ceil(_FIRST_PERIODS / (support * float(frequencies[1]))) if support and len(frequencies) > 1 else 0
    if not 0 < first < len(power) - 4:
        return 0.5
    level = 10 * torch.log10(power.clamp_min(1e-30))
    knee = _knee(level, first)
    return 0.5 if knee is None else _drop(frequencies, level, knee, first)


def _knee(level: torch.Tensor, first: int) -> float | None:
    """Position (in rings) of the knee; None for a picture without blur."""
    slopes = octave_slopes(level, first)
    radii = torch.arange(len(level))
    steep = slopes >= _KNEE_SLOPE
    last = torch.maximum(radii + 3, (radii * 2**0.25).long())
    sums = torch.cat([torch.zeros(1, dtype=torch.long), steep.cumsum(0)])
    lasting = sums[(last + 1).clamp(max=len(level))] - sums[radii] == last + 1 - radii
    hits = lasting.nonzero().flatten()
    if len(hits) == 0:
        return None
    knee = int(hits[0])
    before, after = float(slopes[knee - 1]), float(slopes[knee])
    if math.isnan(before):
        return float(knee)
    return knee - (after - _KNEE_SLOPE) / (after - before)


def octave_slopes(level: torch.Tensor, first: int) -> torch.Tensor:
    """Steepness of a curve over the octave around each ring: the negative exponent of f.

    Args:
        level: R decibels.
        first: the first valid ring.

    Returns:
        R; NaN if the octave extends below `first`. At the last ring the octave is truncated.
    """
    radii = torch.arange(len(level), dtype=torch.float64)
    low, high = (radii / 2**0.5).ceil().long(), (radii * 2**0.5).long().clamp(max=len(level) - 1)
    x, y = radii.clamp_min(1).log(), level / 10 * math.log(10)
    sums = [torch.cat([x.new_zeros(1), v.cumsum(0)]) for v in (torch.ones_like(x), x, x * x, y, x * y)]
    n, sx, sxx, sy, sxy = (s[high + 1] - s[low] for s in sums)
    slopes = -(n * sxy - sx * sy) / (n * sxx - sx * sx)
    return torch.where((low >= first) & (n >= 3), slopes, torch.nan)


def _drop(frequencies: torch.Tensor, level: torch.Tensor, knee: float, first: int) -> float:
    """The first frequency from the knee on with a power 10 dB below the f^-2 line."""
    step = float(frequencies[1])
    anchor = slice(max(first, math.ceil(knee / 4)), math.floor(knee / 2) + 1)
    if anchor.stop - anchor.start < 2:
        return knee * step
    above = level + 20 * torch.log10(frequencies.clamp_min(step))
    taken = _DROP * (frequencies[anchor] ** 2).mean() / frequencies.clamp_min(step) ** 2
    fallen = above[anchor].mean() + taken - above
    start = math.ceil(knee)
    hits = (fallen[start:] >= _DROP).nonzero().flatten()
    if len(hits) == 0:
        return 0.5
    if int(hits[0]) == 0:
        return knee * step
    after = start + int(hits[0])
    fraction = (_DROP - fallen[after - 1]) / (fallen[after] - fallen[after - 1])
    return float(after - 1 + fraction) * step

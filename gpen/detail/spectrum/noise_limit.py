"""Measure the noise of a single picture: detail varies from place to place, noise is uniform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from ...pixels.filters import hann_window, taper
from ...progress import Steps, no_steps

# Side of the half-overlapping windows: small compared with a face, and still 16 rings of frequency.
_WINDOW, _HOP = 32, 16
# Rows of windows transformed at once.
_ROWS = 32
# With fewer windows, uniformity cannot be judged: with 49, the limit changed when a picture was rotated.
_LEAST_WINDOWS = 100
# Quantile of the windows with little power.
_CALM = 0.25
# Ratio of the power of these windows to the mean of all. It is 0.6 to 0.85 in noise and about 0.4 where detail and
# noise are equal; in 60 sharp faces and 80 backgrounds, the medians were 0.02 to 0.09, and 95 of 100 below 0.34.
_EVEN = 0.4
# A picture with coarse structure this uniform is itself a texture or random, so it has no noise.
_UNEVEN = 0.3
# Minimum number of uniform rings (each 1/32 cycles per pixel).
_LEAST_RINGS = 4
# Limits for the share of noise in a ring: none at the uniformity of undamaged faces (the mean of 35 was 0.03 to 0.08
# on every ring), all at that of noise.
_EVEN_WITHOUT, _EVEN_WITH = 0.09, 0.7

# From this share on, the noise of a ring is counted.
_TOLD_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class NoiseFloor:
    """Noise of a picture over frequency.

    Attributes:
        frequencies: R, cycles per pixel.
        share: R in 0..1, share of the picture's power that is noise.
        power: R, power of the noise; its mean over all frequencies is the variance.
    """

    frequencies: torch.Tensor
    share: torch.Tensor
    power: torch.Tensor

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise, in units of the picture."""
        # The number of frequencies of a ring is proportional to its length. A small share of noise may be uniform
        # detail.
        told = torch.where(self.share >= _TOLD_SHARE, self.power * self.frequencies, 0)
        return math.sqrt(float(told.sum() / self.frequencies.sum()))

    def at(self, frequencies: torch.Tensor) -> torch.Tensor:
        """The share at other frequencies, interpolated."""
        step = float(self.frequencies[1])
        place = (frequencies.to(self.share) / step).clamp(0, len(self.share) - 1)
        low = place.floor().long().clamp(max=len(self.share) - 2)
        return torch.lerp(self.share[low], self.share[low + 1], place - low)

    def between(self, low: float, high: float) -> float:
        """The mean power between two frequencies."""
        inside = (self.frequencies >= low) & (self.frequencies <= high)
        if not inside.any():
            inside = self.frequencies == self.frequencies[(self.frequencies - (low + high) / 2).abs().argmin()]
        return float(self.power[inside].mean())


def noise_floor(gray: torch.Tensor) -> NoiseFloor | None:
    """Measure noise by minimum statistics (Martin, "Noise power spectral density estimation based on optimal smoothing
    and minimum statistics", 2001), over place instead of time.

    Like `noise_limit`, it compares the windows with little power to the mean of all, on each ring of frequency: power
    that is the same everywhere, on skin, hair and background, is noise; power that varies from place to place is
    detail. White and coarse grain and enlarged noise are all found.

    Args:
        gray: H x W float32.

    Returns:
        float32 on the CPU; None if the picture is too small, or is a uniform texture.
    """
    if min(gray.shape) < 2 * _WINDOW:
        return None
    rings = _ring_powers(gray, None)
    if rings is None:
        return None
    calm, mean = rings
    evenness = calm / mean.clamp_min(1e-30)
    if evenness[1] >= _UNEVEN:
        return None
    share = ((evenness - _EVEN_WITHOUT) / (_EVEN_WITH - _EVEN_WITHOUT)).clamp(0, 1)
    return NoiseFloor(torch.arange(len(share)) / _WINDOW, share, share * mean)


def noise_limit(gray: torch.Tensor, weights: torch.Tensor | None = None, *, progress: Steps = no_steps) -> float:
    """The frequency above which a picture holds more noise than detail, in cycles per pixel.

    1. Transform windows of 32 pixels and average their power over rings of equal frequency.
    2. Compare the windows on each ring: in noise of any colour, also after enlarging or JPEG, the quarter with the
       least power has nearly the mean power; in detail, almost none.
    3. The limit is the first of four uniform rings, provided that coarse structure is not uniform.

    Args:
        gray: H x W float32 in 0..1.
        weights: H x W in 0..1; only windows with at least half of their possible weight count. None: all.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        0.5 if detail dominates everywhere, if everything is uniform, or if there is too little data.
    """
    if min(gray.shape) < 2 * _WINDOW:
        return 0.5
    rings = _ring_powers(gray, weights, progress)
    if rings is None:
        return 0.5
    evenness = (rings[0] / rings[1].clamp_min(1e-30)).tolist()
    if evenness[1] >= _UNEVEN:
        return 0.5
    even = [value >= _EVEN for value in evenness]
    for ring in range(2, len(even) - _LEAST_RINGS + 1):
        if all(even[ring : ring + _LEAST_RINGS]):
            below, above = evenness[ring - 1], evenness[ring]
            return (ring - (above - _EVEN) / (above - below)) / _WINDOW
    return 0.5


def _ring_powers(
    gray: torch.Tensor, weights: torch.Tensor | None, progress: Steps = no_steps
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Mean power per ring of the windows with little power and of all windows; None if there are too few windows."""
    window, sums = _ring_sums(gray.device)
    curves = []
    for top in range(0, gray.shape[0] - _WINDOW + 1, _HOP * _ROWS):
        progress(top, gray.shape[0])
        strip = slice(top, top + _HOP * (_ROWS - 1) + _WINDOW)
        pieces = _windows(gray[strip])
        if weights is not None:
            pieces = pieces[_windows(weights[strip]).mean(dim=(1, 2)) >= 0.5]
        # The squares of real and imaginary parts are added by the product.
        parts = torch.view_as_real(torch.fft.rfft2(taper(pieces, window)))
        curves.append(parts.square_().flatten(1) @ sums)
    power = torch.cat(curves)
    if len(power) < _LEAST_WINDOWS:
        return None
    calm = power.sort(dim=0).values[int(_CALM * len(power))]
    return calm.cpu(), power.mean(dim=0).cpu()


@lru_cache(maxsize=4)
def _ring_sums(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The window, and the matrix from the squared parts of a window's transform to its mean power per ring."""
    # Tensors created in inference mode cannot be used with gradients later.
    with torch.inference_mode(False):
        row = hann_window(_WINDOW, device)
        window = row[:, None] * row
        rows, columns = torch.fft.fftfreq(_WINDOW)[:, None], torch.fft.rfftfreq(_WINDOW)
        ring = (torch.hypot(rows, columns) * _WINDOW).round().long().flatten().to(device)
        sums = torch.nn.functional.one_hot(ring).to(window)[:, : _WINDOW // 2 + 1]
        sums = sums / sums.sum(dim=0) / (window**2).sum()
        return window, sums.repeat_interleave(2, dim=0)


def _windows(plane: torch.Tensor) -> torch.Tensor:
    return plane.unfold(0, _WINDOW, _HOP).unfold(1, _WINDOW, _HOP).reshape(-1, _WINDOW, _WINDOW)

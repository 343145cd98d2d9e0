"""Noise of a single picture: detail lies here and there, noise everywhere alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ...pixels.filters import hann_window, taper

# Windows of this side, half overlapping: small beside a face, and still 16 rings of frequency.
_WINDOW, _HOP = 32, 16
# Rows of windows transformed at once.
_ROWS = 32
# With fewer windows the evenness cannot be judged: with 49 the limit changed when a picture was turned.
_LEAST_WINDOWS = 100
# The calmer windows: this share of them has less power.
_CALM = 0.25
# Power of the calm windows over the mean of all. In noise it is 0.6 to 0.85, where detail and noise are alike about
# 0.4; in 60 sharp faces and 80 backgrounds the medians lay at 0.02 to 0.09, and 95 of 100 below 0.34.
_EVEN = 0.4
# A picture with coarse structure as even as this is a texture or random itself, and nothing is its noise.
_UNEVEN = 0.3
# So many rings (each 1/32 cycles per pixel) must be even.
_LEAST_RINGS = 4
# The same for a measure of how much of a ring is noise: none at the evenness that undamaged faces reach (the mean of 35
# lay at 0.03 to 0.08 on every ring), all of it at that of noise.
_EVEN_WITHOUT, _EVEN_WITH = 0.09, 0.7

# From this share of a ring on its noise is told.
_TOLD_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class NoiseFloor:
    """The noise of a picture over frequency.

    Attributes:
        frequencies: R, cycles per pixel.
        share: R in 0..1, how much of the picture's power is noise.
        power: R, that of the noise; its mean over all frequencies is the variance.
    """

    frequencies: torch.Tensor
    share: torch.Tensor
    power: torch.Tensor

    @property
    def deviation(self) -> float:
        """Of the noise, in units of the picture."""
        # A ring has as many frequencies as it is long. Where noise is a small part it may as well be even detail.
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

    As `noise_limit` does, it compares the calm windows of a picture with the mean of all, on each ring of frequency:
    what goes on at the same strength everywhere, on skin and hair and in the background, is noise; what varies from
    place to place is detail. White and coarse grain, and noise that was enlarged, are found alike.

    Args:
        gray: H x W float32.

    Returns:
        float32 on the CPU; None where there is too little picture to judge by, and where all of it is one texture.
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


def noise_limit(gray: torch.Tensor, weights: torch.Tensor | None = None) -> float:
    """The frequency from which on a picture holds more noise than detail, in cycles per pixel.

    1. Windows of 32 pixels are transformed and their power averaged over rings of equal frequency.
    2. On each ring the windows are compared: in noise, of whatever colour and also after enlargement or JPEG, the
       quarter with the least power has nearly as much as the mean; where detail rules, next to nothing.
    3. The limit is where the first of four rings is even, if coarse structure is not.

    Args:
        gray: H x W float32 in 0..1.
        weights: H x W in 0..1; windows count that have at least half of what they could have. None: all.

    Returns:
        0.5 where detail rules to the end, where everything is even, and where there is too little to judge by.
    """
    if min(gray.shape) < 2 * _WINDOW:
        return 0.5
    rings = _ring_powers(gray, weights)
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


def _ring_powers(gray: torch.Tensor, weights: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Of each ring, the mean power of the calm windows and of all; None where there are too few windows."""
    window = hann_window(_WINDOW, gray.device)
    window = window[:, None] * window
    rows, columns = torch.fft.fftfreq(_WINDOW)[:, None], torch.fft.rfftfreq(_WINDOW)
    ring = (torch.hypot(rows, columns) * _WINDOW).round().long().flatten().to(gray.device)
    sums = torch.nn.functional.one_hot(ring).to(gray)[:, : _WINDOW // 2 + 1]
    sums = sums / sums.sum(dim=0) / (window**2).sum()
    curves = []
    for top in range(0, gray.shape[0] - _WINDOW + 1, _HOP * _ROWS):
        strip = slice(top, top + _HOP * (_ROWS - 1) + _WINDOW)
        pieces = _windows(gray[strip])
        if weights is not None:
            pieces = pieces[_windows(weights[strip]).mean(dim=(1, 2)) >= 0.5]
        plane = torch.view_as_real(torch.fft.rfft2(taper(pieces, window))).square().sum(dim=-1)
        curves.append(plane.flatten(1) @ sums)
    power = torch.cat(curves)
    if len(power) < _LEAST_WINDOWS:
        return None
    calm = power.sort(dim=0).values[int(_CALM * len(power))]
    return calm.cpu(), power.mean(dim=0).cpu()


def _windows(plane: torch.Tensor) -> torch.Tensor:
    return plane.unfold(0, _WINDOW, _HOP).unfold(1, _WINDOW, _HOP).reshape(-1, _WINDOW, _WINDOW)

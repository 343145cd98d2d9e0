"""Where a picture sinks into its noise: detail lies here and there, noise everywhere alike."""

from __future__ import annotations

import math

import torch

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
    evenness = _evenness(gray, weights)
    if evenness is None or evenness[1] >= _UNEVEN:
        return 0.5
    even = [value >= _EVEN for value in evenness]
    for ring in range(2, len(even) - _LEAST_RINGS + 1):
        if all(even[ring : ring + _LEAST_RINGS]):
            below, above = evenness[ring - 1], evenness[ring]
            return (ring - (above - _EVEN) / (above - below)) / _WINDOW
    return 0.5


def _evenness(gray: torch.Tensor, weights: torch.Tensor | None) -> list[float] | None:
    """Of each ring, the power of the calm windows over the mean; None where there are too few windows."""
    position = math.pi * (torch.arange(_WINDOW, device=gray.device) + 0.5) / _WINDOW
    window = torch.sin(position) ** 2
    window = window[:, None] * window
    rows, columns = torch.fft.fftfreq(_WINDOW)[:, None], torch.fft.rfftfreq(_WINDOW)
    ring = (torch.hypot(rows, columns) * _WINDOW).round().long().flatten().to(gray.device)
    sums = torch.nn.functional.one_hot(ring).to(gray)[:, : _WINDOW // 2 + 1]
    curves = []
    for top in range(0, gray.shape[0] - _WINDOW + 1, _HOP * _ROWS):
        strip = slice(top, top + _HOP * (_ROWS - 1) + _WINDOW)
        pieces = _windows(gray[strip])
        if weights is not None:
            pieces = pieces[_windows(weights[strip]).mean(dim=(1, 2)) >= 0.5]
        pieces = window * (pieces - (window * pieces).sum(dim=(1, 2), keepdim=True) / window.sum())
        plane = torch.view_as_real(torch.fft.rfft2(pieces)).square().sum(dim=-1)
        curves.append(plane.flatten(1) @ sums)
    power = torch.cat(curves)
    if len(power) < _LEAST_WINDOWS:
        return None
    calm = power.sort(dim=0).values[int(_CALM * len(power))]
    return (calm / power.mean(dim=0).clamp_min(1e-30)).tolist()


def _windows(plane: torch.Tensor) -> torch.Tensor:
    return plane.unfold(0, _WINDOW, _HOP).unfold(1, _WINDOW, _HOP).reshape(-1, _WINDOW, _WINDOW)

"""Detect traces of up-sampling: the faint regular pattern left by enlarging by 2, 4 or 8, or by a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ...errors import ImageError
from ...pixels.color import luma
from ...pixels.filters import hann_window, robust_deviation, taper
from .power import check_spectrum_input

PERIODS = (2, 4, 8)
"""Periods of the patterns in pixels."""

# Welch's method: averaged spectra of overlapping windows of this side.
_WINDOW, _HOP = 128, 64
# Peaks of JPEG blocks only, not of patterns of period 2 or 4: odd multiples of 1/8 on the axes.
_JPEG_PEAKS = [(0, 16), (0, 48), (16, 0), (48, 0)]
# A peak is compared with its surroundings at these distances, in steps of the window's spectrum.
_RING = (3, 8)
# A pattern is reported if its peak is this many robust standard deviations and decibels above its surroundings.
_LEAST_DEVIATIONS, _LEAST_DECIBELS = 6.0, 6.0


@dataclass(frozen=True, eq=False)
class Traces:
    """Traces in B pictures for each of `PERIODS`; on the CPU.

    Attributes:
        deviations: B x 3; how many robust standard deviations the strongest peak is above its surroundings.
        decibels: B x 3; how much power that peak has above them.
        found: B x 3 bool; both are at least 6, and the peak is above those of JPEG's blocks.
    """

    deviations: torch.Tensor
    decibels: torch.Tensor
    found: torch.Tensor


def upsampling_traces(images: torch.Tensor) -> Traces:
    """Detect regular patterns of period 2, 4 and 8 (Odena et al. 2016; Durall et al. 2020).

    1. Subtract the 3 x 3 median from luma, which leaves fine patterns without the picture.
    2. Average the power of the residual over windows of 128 pixels, 64 apart (Welch 1967).
    3. A pattern of period d has peaks at multiples of 1/d. Ignore those on the two axes, which JPEG blocks cause too,
       and those of a smaller period.
    4. Compare the strongest peak in decibels with the median and spread at 3 to 8 steps around it. In a picture with
       JPEG peaks, which extend beyond the axes after coarse encoding, it must exceed them.

    Args:
        images: B x 3 x H x W or B x 1 x H x W floating point in 0..1. Pictures with a side below 128 pixels are too
            small: all values are zero, nothing is found.

    Raises:
        ImageError: another shape or kind, NaN or infinity.
    """
    check_spectrum_input(images)
    found, blocks = torch.zeros(len(images), len(PERIODS), 2), torch.zeros(len(images), 2)
    if min(images.shape[-2:]) >= _WINDOW:
        for index in range(len(images)):
            level = 10 * torch.log10(_welch(images[index : index + 1]).clamp_min(1e-20)).cpu()
            found[index] = torch.stack([_strongest(level, _off_axis(period)) for period in PERIODS])
            blocks[index] = _strongest(level, _JPEG_PEAKS)
    deviations, decibels = found.unbind(dim=-1)
    outstanding = _stands_out(found) & ~(_stands_out(blocks)[:, None] & (decibels <= blocks[:, None, 1]))
    return Traces(deviations, decibels, outstanding)


def describe_traces(traces: Traces) -> list[dict[str, Any]]:
    """Traces as JSON objects, one per picture: period in pixels, robust deviations, decibels, and whether found."""
    return [
        {
            f"period_{period}_px": {
                "found": bool(traces.found[index, number]),
                "deviations": round(float(traces.deviations[index, number]), 2),
                "decibels": round(float(traces.decibels[index, number]), 2),
            }
            for number, period in enumerate(PERIODS)
        }
        for index in range(len(traces.found))
    ]


def _stands_out(peaks: torch.Tensor) -> torch.Tensor:
    return (peaks[..., 0] >= _LEAST_DEVIATIONS) & (peaks[..., 1] >= _LEAST_DECIBELS)


def _welch(image: torch.Tensor) -> torch.Tensor:
    """128 x 128; the mean power of the residual of 1 x C x H x W, a strip of windows at a time."""
    window = hann_window(_WINDOW, image.device)
    window = window[:, None] * window
    total, count = torch.zeros(_WINDOW, _WINDOW, device=image.device), 0
    for strip in _residual_strips(image):
        pieces = taper(strip.unfold(1, _WINDOW, _HOP).transpose(0, 1), window)
        total += torch.view_as_real(torch.fft.fft2(pieces)).square().sum(dim=(0, -1))
        count += len(pieces)
    return total / (count * (window**2).sum())


def _residual_strips(image: torch.Tensor) -> Iterator[torch.Tensor]:
    """128 x W strips of luma minus its median, 64 rows apart."""
    height = image.shape[-2]
    for top in range(0, height - _WINDOW + 1, _HOP):
        low, high = max(0, top - 1), min(height, top + _WINDOW + 1)
        rows = image[..., low:high, :].float()
        gray = luma(rows) if rows.shape[1] == 3 else rows
        if not torch.isfinite(gray).all():
            raise ImageError("The image holds NaN or infinity, so it has no spectrum; mend what made it.")
        padded = F.pad(gray, (1, 1, 1 - (top - low), 1 - (high - top - _WINDOW)), mode="replicate")[0, 0]
        yield padded[1:-1, 1:-1] - _median3(padded)


def _median3(padded: torch.Tensor) -> torch.Tensor:
    """3 x 3 median of (H + 2) x (W + 2): sorted by columns first (Smith, "Implementing median filters", 1996)."""
    low, middle, high = _sorted3(padded[:-2], padded[1:-1], padded[2:])
    parts = [[part[:, shift : part.shape[1] - 2 + shift] for shift in range(3)] for part in (low, middle, high)]
    return _sorted3(_sorted3(*parts[0])[2], _sorted3(*parts[1])[1], _sorted3(*parts[2])[0])[1]


def _sorted3(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    return torch.minimum(low, c), torch.maximum(low, torch.minimum(high, c)), torch.maximum(high, c)


def _strongest(level: torch.Tensor, peaks: list[tuple[int, int]]) -> torch.Tensor:
    """(deviations, decibels) of the most prominent peak."""
    offsets = torch.cartesian_prod(*[torch.arange(-_RING[1], _RING[1] + 1)] * 2)
    distance = offsets.double().norm(dim=1)
    offsets = offsets[(distance >= _RING[0]) & (distance <= _RING[1])]
    rows, columns = torch.tensor(peaks).unbind(dim=1)
    around = level[(rows[:, None] + offsets[:, 0]) % _WINDOW, (columns[:, None] + offsets[:, 1]) % _WINDOW]
    median = around.median(dim=1, keepdim=True).values
    spread = robust_deviation(around - median, 1)
    above = level[rows, columns] - median[:, 0]
    deviations = above / spread.clamp_min(1e-6)
    best = torch.minimum(deviations / _LEAST_DEVIATIONS, above / _LEAST_DECIBELS).argmax()
    return torch.stack([deviations[best], above[best]])


def _off_axis(period: int) -> list[tuple[int, int]]:
    """Positions of peaks of a period that half the period does not have, in half of the symmetric plane."""
    step = _WINDOW // period
    return [
        (row * step, column * step)
        for row in range(1, period // 2 + 1)
        for column in range(1, period)
        if row % 2 == 1 or column % 2 == 1
    ]

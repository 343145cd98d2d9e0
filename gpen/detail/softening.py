"""Measure how much sharper a restored face is than the picture around it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from ..pixels.color import luma
from ..pixels.filters import hann_window, taper
from .spectrum.cutoff import find_cutoff
from .spectrum.noise_limit import NoiseFloor, noise_floor
from .spectrum.power import RadialPower, column_counts, radial_power

# The cut-off after a Gaussian blur, times its standard deviation in pixels; see `find_cutoff`.
_BLUR = 0.2415
# From this cut-off on, in cycles per pixel, the pixels and not a blur limit the detail, as in `sharpness`.
_FINEST = 0.33
# Side of the tiles: a share of the side of the surroundings, and limits in pixels.
_TILE, _LEAST_TILE, _MOST_TILE = 1 / 8, 32, 128
# Minimum share of a tile that must be surroundings, and minimum number of tiles.
_LEAST_SHARE, _LEAST_TILES = 0.8, 6
# Periods over a tile from which its power counts as detail; what is coarser is light and shade.
_FIRST_PERIODS = 3
# Minimum standard deviation of the detail of a tile, in units of 0..1.
_LEAST_DETAIL = 3 / 255


@dataclass(frozen=True)
class Softening:
    """How a restored face becomes as sharp as its surroundings.

    Attributes:
        blur: standard deviation in pixels of the Gaussian that does it; 0 if the face is not sharper than both its
            surroundings and the photograph's own face.
        surroundings: cut-off of the surroundings in cycles per pixel; None if they have too little detail to measure.
    """

    blur: float
    surroundings: float | None

    def resized(self, factor: float) -> Softening:
        """The same in pixels of the picture enlarged by a factor."""
        surroundings = None if self.surroundings is None else self.surroundings / factor
        return Softening(self.blur * factor, surroundings)


def measure_softening(
    around: torch.Tensor, outside: torch.Tensor, own: torch.Tensor, restored: torch.Tensor, inside: torch.Tensor
) -> Softening:
    """Compare a restored face with its surroundings, all at the same scale.

    1. Cut the surroundings into tiles, and leave out those without detail: flat ones, and those with nothing but light,
       shade or noise.
    2. Average the power of the others over frequency without that of the noise, each divided by its variance, so that
       one with much contrast does not decide alone. Their cut-off is that of this curve (`find_cutoff`).
    3. Find the cut-offs of both faces. A Gaussian of deviation s lowers a cut-off c to d with
       s^2 = 0.2415^2 (1 / d^2 - 1 / c^2); d is the higher one of the surroundings' and the photograph's own.

    Args:
        around: 1 x 3 x H x W in 0..1, the surroundings with the face.
        outside: 1 x 1 x H x W in 0..1, where the surroundings are.
        own: 1 x 3 x S x S in 0..1, the photograph's own face.
        restored: the same restored.
        inside: 1 x 1 x S x S in 0..1, where the face is in both.
    """
    gray = luma(around.float())[0, 0]
    surroundings = _cutoff_of_tiles(gray, outside[0, 0].to(gray), noise_floor(gray))
    if surroundings is None:
        return Softening(0.0, None)
    # A face too small to measure its noise is taken to be as sharp as that makes it, so it is softened less.
    limit = max(surroundings, _cutoff_of_face(own, inside, noise_floor(luma(own.float())[0, 0])))
    face = min(_cutoff_of_face(restored, inside, None), _FINEST)
    blur = _BLUR * math.sqrt(1 / limit**2 - 1 / face**2) if limit < face else 0.0
    return Softening(blur, surroundings)


def _cutoff_of_face(crop: torch.Tensor, inside: torch.Tensor, noise: NoiseFloor | None) -> float:
    curves = radial_power(luma(crop.float()), inside, judge_noise=False)
    power = (curves.power - _noise_at(curves.frequencies, noise)).clamp_min(0)
    return float(find_cutoff(replace(curves, power=power)))


def _cutoff_of_tiles(gray: torch.Tensor, outside: torch.Tensor, noise: NoiseFloor | None) -> float | None:
    side = min(max(_LEAST_TILE, round(_TILE * max(gray.shape) / 2) * 2), _MOST_TILE)
    if min(gray.shape) < side:
        return None
    tiles, shares = (plane.unfold(0, side, side // 2).unfold(1, side, side // 2) for plane in (gray, outside))
    window, rings, counts = _rings(side, gray.device)
    pieces = taper(tiles[shares.mean(dim=(-2, -1)) >= _LEAST_SHARE], window)
    power = (torch.view_as_real(torch.fft.rfft2(pieces)).square().sum(dim=-1).flatten(1) @ rings).double().cpu()
    frequencies = torch.arange(side // 2 + 1, dtype=torch.float64) / side
    grain = _noise_at(frequencies, noise)
    detail = counts / counts.sum() * (frequencies * side >= _FIRST_PERIODS)
    variance = (power - grain) @ detail
    used = variance > max(_LEAST_DETAIL**2, float(grain @ detail))
    if int(used.sum()) < _LEAST_TILES:
        return None
    # Subtracted from the mean, in which its chance has averaged out.
    mean = ((power[used] - grain) / variance[used, None]).mean(dim=0, keepdim=True).clamp_min(0)
    sides = torch.full((1,), float(side), dtype=torch.float64)
    return float(
        find_cutoff(RadialPower(frequencies, counts, mean, mean[:, :0], sides, sides, torch.full_like(sides, 0.5)))
    )


def _noise_at(frequencies: torch.Tensor, noise: NoiseFloor | None) -> torch.Tensor:
    """Power of the noise at other frequencies than its own."""
    if noise is None:
        return torch.zeros_like(frequencies)
    return torch.from_numpy(np.interp(frequencies, noise.frequencies, noise.power))


@lru_cache(maxsize=8)
def _rings(side: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The window, the matrix from the squared transform of a tile to its mean power per ring, and the rings' sizes."""
    # Tensors created in inference mode cannot be used with gradients later.
    with torch.inference_mode(False):
        row = hann_window(side, device)
        window = row[:, None] * row
        ring = (torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)) * side).round().long()
        twice = column_counts(side).expand(side, -1).reshape(-1, 1)
        sums = (torch.nn.functional.one_hot(ring.flatten()) * twice)[:, : side // 2 + 1].float()
        counts = sums.sum(dim=0)
        return window, sums.to(device) / counts.to(device) / (window**2).sum(), counts.double()

"""Grain: the noise of a photograph, given back to what was restored too cleanly.

Noise is described by its deviation in the bands of the undecimated ("a trous") B3-spline wavelet transform (Starck
and Murtagh, Astronomical Image and Data Analysis, 2006), in lightness and two colour differences: its strength, its
coarseness and its colour at once.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

# Periods of about 2 to 4, 4 to 8 and 8 to 16 px: film grain in a scan is seldom coarser.
_BANDS = 3
_B3_SPLINE = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
# Median absolute value to standard deviation, for normal noise around 0.
_DEVIATION_PER_MEDIAN = 1.4826
# With fewer calm pixels to judge by, no grain is added.
_LEAST_PIXELS = 64


def missing_grain(photograph: torch.Tensor, restored: torch.Tensor, mask: torch.Tensor, seed: int) -> torch.Tensor:
    """Fresh noise like that of a photograph, as far as its restored version lacks it.

    1. Both are split into wavelet bands; the calmer half of the face's pixels tells about noise, as there is little
       else in them.
    2. The deviation of each band, in lightness and in what the colours do on their own, says how much noise there was
       and how much is left.
    3. White noise is filtered to each band and the filtered fields are weighted so that their sum has, in every band,
       the variance that is missing. Bands overlap, so that the weights are a non-negative least-squares solution.

    Args:
        photograph: 1 x 3 x H x W in 0..1.
        restored: the same place after restoration.
        mask: 1 x 1 x H x W; the face is where it is above a half.
        seed: equal seeds give equal grain.

    Returns:
        1 x 3 x H x W of mean about 0, to be added to `restored`. Where the photograph is grey, or toned in one
        colour, so is its grain. Zeros where the face is too small to judge by.
    """
    own, left = _bands(_opponent(photograph)), _bands(_opponent(restored))
    calm = _calm_pixels(own, mask[0, 0] > 0.5)
    if int(calm.sum()) < _LEAST_PIXELS:
        return torch.zeros_like(photograph)
    tint = _tint(own[0][:, calm])
    missing = (_deviation(own[..., calm], tint) ** 2 - _deviation(left[..., calm], tint) ** 2).clamp_min(0)
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn((_BANDS, *photograph.shape), generator=generator).to(photograph)
    # Field j is noise of its own, filtered to band j; its share of variance in band i is leak[i, j].
    fields = torch.stack([_bands(noise)[band] for band, noise in enumerate(white)])
    leak = torch.stack([_bands(field[None]).var(dim=(1, 2, 3)) for field in fields], dim=1)
    weights = _non_negative_solution(leak, missing).sqrt()
    grain = (weights[..., None, None] * fields).sum(dim=0)
    grain = grain + tint[:, None, None] * grain[:1]
    return _from_opponent(grain[None])


def _opponent(images: torch.Tensor) -> torch.Tensor:
    """Lightness and two colour differences, orthonormal, so that white noise stays white; exactly 0 for grey."""
    red, green, blue = images.unbind(dim=1)
    lightness = (red + green + blue) / math.sqrt(3)
    return torch.stack([lightness, (red - blue) / math.sqrt(2), (red + blue - 2 * green) / math.sqrt(6)], dim=1)


def _from_opponent(planes: torch.Tensor) -> torch.Tensor:
    lightness, red_blue, green = planes.unbind(dim=1)
    lightness, red_blue, green = lightness / math.sqrt(3), red_blue / math.sqrt(2), green / math.sqrt(6)
    return torch.stack([lightness + red_blue + green, lightness - 2 * green, lightness - red_blue + green], dim=1)


def _bands(planes: torch.Tensor) -> torch.Tensor:
    """1 x 3 x H x W -> bands x 3 x H x W, finest first."""
    kernel = planes.new_tensor(_B3_SPLINE)
    smooth, bands = planes.transpose(0, 1), []
    for level in range(_BANDS):
        step = 2**level
        padded = F.pad(smooth, (2 * step,) * 4, mode="replicate")
        smoother = F.conv2d(padded, kernel.view(1, 1, 5, 1), dilation=(step, 1))
        smoother = F.conv2d(smoother, kernel.view(1, 1, 1, 5), dilation=(1, step))
        bands.append(smooth - smoother)
        smooth = smoother
    return torch.cat(bands, dim=1).transpose(0, 1)


def _calm_pixels(bands: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
    """H x W; the half of the face's pixels around which the lightness varies least."""
    energy = (bands[:, :1] ** 2).sum(dim=0, keepdim=True)
    energy = F.avg_pool2d(energy, 9, stride=1, padding=4, count_include_pad=False)[0, 0]
    if not face.any():
        return face
    return face & (energy <= energy[face].median())


def _tint(finest: torch.Tensor) -> torch.Tensor:
    """How much each plane goes along with lightness (3 x P -> 3; 0 for lightness itself): the tone of a toned print."""
    slope = (finest * finest[:1]).sum(dim=1) / (finest[0] ** 2).sum().clamp_min(1e-12)
    slope[0] = 0
    return slope


def _deviation(bands: torch.Tensor, tint: torch.Tensor) -> torch.Tensor:
    """Robust deviation of each band and plane, colours freed of what goes along with lightness: J x 3 x P -> J x 3."""
    own_colour = bands - tint[:, None] * bands[:, :1]
    return _DEVIATION_PER_MEDIAN * own_colour.abs().median(dim=-1).values


def _non_negative_solution(matrix: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """x >= 0 that brings matrix @ x nearest to target; all three non-negative (image space reconstruction, ISRA)."""
    solution = target.clone()
    for _ in range(200):
        solution = solution * (matrix.T @ target) / (matrix.T @ matrix @ solution).clamp_min(1e-20)
    return solution

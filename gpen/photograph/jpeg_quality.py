"""Estimate from pixels at which JPEG quality a picture was once saved; it may be a PNG or not a file by now."""

from __future__ import annotations

import math

import torch

from .jpeg import LUMINANCE_TABLE

_BLOCK = 8
# Coefficients of the first diagonals without the mean, of which every picture has enough.
_DIAGONALS = (1, 2, 3)
# In levels; rounding and clipping to 8 bits change a coefficient by less, so smaller ones count as zero.
_ROUNDED = 1.6
# The quantile of the non-zero coefficients that is taken as the step.
_SMALLEST = 0.1
# Minimum number of non-zero coefficients, and minimum side in pixels.
_LEAST_COUNT = 24
_LEAST_SIDE = 64
# Maximum side in pixels of the evaluated area.
_MOST_SIDE = 768


@torch.no_grad()
def quality_of_pixels(image: torch.Tensor, region: tuple[int, int, int, int]) -> int | None:
    """Estimate the JPEG quality of a part of a picture that was saved as JPEG and not resized since.

    JPEG rounds the cosine transform of each 8 x 8 block to multiples of a step, so there are no values between 0 and
    the first multiple (Fan and de Queiroz, "Identification of bitmap compression history: JPEG detection and quantizer
    estimation", 2003). The step of each coefficient is estimated from the smallest values that occur, and the median of
    its ratio to the standard table gives the libjpeg quality.

    Args:
        image: 3 x H x W in 0..1, not cropped since saving, except by multiples of 8.
        region: left, top, right and bottom of the part in pixels.

    Returns:
        1..100; 80 or more for a picture that was never a JPEG, or was resized since. None if there is not enough data.
    """
    height, width = image.shape[-2:]
    left, top, right, bottom = region
    middle = ((left + right) // 2, (top + bottom) // 2)
    half = min(max(right - left, bottom - top), _MOST_SIDE) // 2
    x0, y0 = (max(at - half, 0) // _BLOCK * _BLOCK for at in middle)
    x1, y1 = min(middle[0] + half, width), min(middle[1] + half, height)
    x1, y1 = x1 - (x1 - x0) % _BLOCK, y1 - (y1 - y0) % _BLOCK
    if min(x1 - x0, y1 - y0) < _LEAST_SIDE:
        return None
    # JPEG's luma is that of BT.601, whatever the picture's profile (JFIF).
    weights = image.new_tensor([0.299, 0.587, 0.114])
    levels = 255 * torch.einsum("c,chw->hw", weights, image[:, y0:y1, x0:x1]).float()
    part = image[:, y0:y1, x0:x1]
    # Values clipped to 8 bits are no longer multiples of a step.
    clipped = ((part.amin(dim=0) <= 0) | (part.amax(dim=0) >= 1)).float()
    blocks, spoilt = (
        plane.unfold(0, _BLOCK, _BLOCK).unfold(1, _BLOCK, _BLOCK).reshape(-1, _BLOCK, _BLOCK)
        for plane in (levels, clipped)
    )
    blocks = blocks[spoilt.amax(dim=(1, 2)) == 0]
    cosine = _cosine_matrix().to(blocks)
    coefficients = (cosine @ blocks @ cosine.T).abs()
    scales = []
    for row in range(_BLOCK):
        for column in range(_BLOCK):
            if row + column not in _DIAGONALS:
                continue
            values = coefficients[:, row, column]
            values = values[values > _ROUNDED]
            if len(values) >= _LEAST_COUNT:
                step = float(values.quantile(_SMALLEST))
                scales.append(100 * step / LUMINANCE_TABLE[_BLOCK * row + column])
    if not scales:
        return None
    scale = sorted(scales)[len(scales) // 2]
    quality = 5000 / scale if scale > 100 else (200 - scale) / 2
    return round(min(max(quality, 1), 100))


def _cosine_matrix() -> torch.Tensor:
    """8 x 8, the orthonormal discrete cosine transform (DCT-II)."""
    place, frequency = torch.arange(_BLOCK) + 0.5, torch.arange(_BLOCK)[:, None]
    matrix = torch.cos(math.pi / _BLOCK * frequency * place) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix

"""The quality a picture was saved at as a JPEG, told from its pixels: its file may long be a PNG, or none."""

from __future__ import annotations

import math

import torch

from .jpeg import LUMINANCE_TABLE

_BLOCK = 8
# Coefficients of the first diagonals, without the mean: of these every picture has enough.
_DIAGONALS = (1, 2, 3)
# Levels; rounding and clipping to 8 bits move a coefficient by less, so that it is none.
_ROUNDED = 1.6
# The smallest coefficients that are any: this share of them lies below the step that is read off.
_SMALLEST = 0.1
# So many coefficients that are any must there be, and this side of picture, in pixels.
_LEAST_COUNT = 24
_LEAST_SIDE = 64
# Pixels a side that are looked at, at most.
_MOST_SIDE = 768


@torch.no_grad()
def quality_of_pixels(image: torch.Tensor, region: tuple[int, int, int, int]) -> int | None:
    """The JPEG quality of a part of a picture that was saved as one and not resized since.

    JPEG rounds the cosine transform of each 8 x 8 block to multiples of a step, so that between 0 and the first
    multiple there is nothing (Fan and de Queiroz, "Identification of bitmap compression history: JPEG detection and
    quantizer estimation", 2003). The step of each coefficient is read off as the smallest values that occur, and
    their median over the standard's table gives libjpeg's quality.

    Args:
        image: 3 x H x W in 0..1, not cropped since it was saved (or by multiples of 8).
        region: left, top, right and bottom, in pixels, of the part that counts.

    Returns:
        1..100; a picture that never was a JPEG, or was resized since, has nothing between 0 and the first values, and
        a quality of 80 or more. None where there is too little to tell.
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
    # What was clipped to 8 bits is no multiple of a step any more.
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

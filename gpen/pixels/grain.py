"""Grain: add the noise of a photograph to its restored version.

Noise is described by its deviation in the bands of the undecimated ("a trous") B3-spline wavelet transform (Starck
and Murtagh, Astronomical Image and Data Analysis, 2006), in lightness and two colour differences: its strength, its
coarseness and its colour at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F

from ..progress import Steps, no_steps
from ..types import Size
from .filters import box_mean, mirrored_index, robust_deviation

# Periods of about 2 to 4, 4 to 8 and 8 to 16 px; film grain in a scan is rarely coarser.
_BANDS = 3
# Radius of the coarsest band's filter: two steps of 1, 2 and 4 px.
_REACH = 2 * (2**_BANDS - 1)
# Side of the window for the local variance.
_CALM_WINDOW = 9
# Minimum number of face pixels for an estimate; otherwise no grain is added.
_LEAST_PIXELS = 128
# Side of the tiles for the estimate; for large faces, those with the most face pixels, chosen randomly among equals.
_TILE, _JUDGED_TILES = 128, 64
# Pixels of grain generated at a time; about the size of the processor's cache.
_STRIP_PIXELS = 500_000


def missing_grain(
    photograph: torch.Tensor,
    restored: torch.Tensor,
    mask: torch.Tensor,
    seed: int,
    *,
    progress: Steps = no_steps,
) -> torch.Tensor:
    """Generate the noise of a photograph that its restored version lacks.

    1. Split both into wavelet bands. The half of the face's pixels with less variance is used to measure noise, since
       it contains little else; for a large face, tiles spread over it.
    2. Measure the noise before and after by the standard deviation of each band, in lightness and in the independent
       part of the colours.
    3. Filter white noise to each band, and weight the fields so that their sum has the missing variance in every band.
       Since bands overlap, the weights are a non-negative least-squares solution.

    Besides the result, memory hardly depends on the size of the picture.

    Args:
        photograph: 1 x 3 x H x W in 0..1.
        restored: the same area after the restoration.
        mask: 1 x 1 x H x W; above 0.5 in the face.
        seed: equal seeds give equal grain.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        1 x 3 x H x W with mean about 0, to be added to `restored`. The grain of a grey or toned photograph is grey or
        toned, too. Zeros if the face is too small.
    """
    grain = torch.zeros_like(photograph)
    tiles, inside = _judged_tiles(mask[0, 0] > 0.5)
    if int(inside.sum()) < _LEAST_PIXELS:
        return grain
    own = _tile_bands(photograph, tiles)
    calm = inside & _is_calm(own, inside)
    own, left = _judged(own, calm), _judged(_tile_bands(restored, tiles), calm)
    tint = _tint(own[0])
    missing = (_deviation(own, tint) ** 2 - _deviation(left, tint) ** 2).clamp_min(0).cpu()
    weights = _non_negative_solution(_leak(), missing).sqrt()
    for rows, planes in _noise((mask.shape[-2], mask.shape[-1]), weights, seed):
        progress(rows.start, mask.shape[-2])
        planes = planes.to(tint.device)
        grain[0, :, rows] = _from_opponent(planes + tint[:, None, None] * planes[:1])
    return grain


def _opponent(images: torch.Tensor) -> torch.Tensor:
    """Lightness and two colour differences, orthonormal, so that white noise stays white; exactly 0 for grey."""
    red, green, blue = images.unbind(dim=1)
    lightness = (red + green + blue) / math.sqrt(3)
    return torch.stack([lightness, (red - blue) / math.sqrt(2), (red + blue - 2 * green) / math.sqrt(6)], dim=1)


def _from_opponent(planes: torch.Tensor) -> torch.Tensor:
    lightness, red_blue, green = planes
    lightness, red_blue, green = lightness / math.sqrt(3), red_blue / math.sqrt(2), green / math.sqrt(6)
    return torch.stack([lightness + red_blue + green, lightness - 2 * green, lightness - red_blue + green])


def _smoothed(planes: torch.Tensor, step: int) -> torch.Tensor:
    """The B3 spline, (1 4 6 4 1) / 16 along both axes, with its taps `step` px apart; ... x H x W, 2 steps less at each
    border.

    Sums of shifted planes are far faster on a CPU than a convolution of one channel. All factors are powers of two, so
    that no processor rounds one pixel otherwise than another.
    """
    for dim in (-2, -1):
        taps = [planes.narrow(dim, tap * step, planes.shape[dim] - 4 * step) for tap in range(5)]
        inner = (taps[1] + taps[3]).add_(taps[2])
        planes = (taps[0] + taps[4]).add_(taps[2], alpha=2).add_(inner, alpha=4)
    return planes.mul_(1 / 256)


def _bands(planes: torch.Tensor) -> torch.Tensor:
    """... x H x W -> bands x ... x H x W, finest first; the filters' reach less at each border."""
    bands = []
    for level in range(_BANDS):
        smoother = _smoothed(planes, 2**level)
        bands.append(_cropped(planes, 2 * 2**level) - smoother)
        planes = smoother
    return torch.stack([_cropped(band, (band.shape[-1] - planes.shape[-1]) // 2) for band in bands])


def _leak() -> torch.Tensor:
    """Bands x bands; the variance that white noise of variance 1 filtered to band j has in band i."""
    impulse = torch.zeros(8 * _REACH + 1, 8 * _REACH + 1)
    impulse[4 * _REACH, 4 * _REACH] = 1
    return (_bands(_bands(impulse)) ** 2).sum(dim=(-2, -1))


def _judged_tiles(face: torch.Tensor) -> tuple[list[list[int]], torch.Tensor]:
    """Top and left of T tiles, and which of their pixels are the face's (H x W), T x side x side."""
    height, width = face.shape
    padded = F.pad(face, (0, -width % _TILE, 0, -height % _TILE))
    grid = padded.unflatten(1, (-1, _TILE)).unflatten(0, (-1, _TILE)).transpose(1, 2)
    counts = grid.sum(dim=(2, 3)).cpu()
    tiles = counts.nonzero()
    tiles = tiles[torch.randperm(len(tiles), generator=torch.Generator().manual_seed(0))]
    fullest = counts[tiles.unbind(dim=1)].argsort(descending=True, stable=True)
    tiles = tiles[fullest[:_JUDGED_TILES]]
    return (_TILE * tiles).tolist(), grid[tiles.unbind(dim=1)]


def _tile_bands(image: torch.Tensor, tiles: list[list[int]]) -> torch.Tensor:
    """Bands of tiles of an image, mirrored at its borders: bands x T x 3 x side x side, half a calm window more at each
    border.
    """
    margin = _REACH + _CALM_WINDOW // 2
    offsets = torch.arange(-margin, _TILE + margin, device=image.device)

    height, width = image.shape[-2:]
    windows = [
        image[0][:, mirrored_index(top + offsets, height)[:, None], mirrored_index(left + offsets, width)]
        for top, left in tiles
    ]
    return _bands(_opponent(torch.stack(windows).float()))


def _is_calm(bands: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """T x side x side; where the lightness varies no more than around half of the face's pixels."""
    energy = (bands[:, :, 0] ** 2).sum(dim=0, keepdim=True)
    energy = _cropped(box_mean(energy, _CALM_WINDOW // 2), _CALM_WINDOW // 2)[0]
    return energy <= energy[inside].median()


def _judged(bands: torch.Tensor, calm: torch.Tensor) -> torch.Tensor:
    """The bands of the calm pixels, bands x 3 x P."""
    return _cropped(bands, _CALM_WINDOW // 2).transpose(1, 2)[..., calm]


def _cropped(planes: torch.Tensor, border: int) -> torch.Tensor:
    """... x H x W, `border` px less at each side."""
    height, width = planes.shape[-2:]
    return planes[..., border : height - border, border : width - border]


def _tint(finest: torch.Tensor) -> torch.Tensor:
    """How much each plane goes along with lightness (3 x P -> 3; 0 for lightness itself): the tone of a toned print."""
    slope = (finest * finest[:1]).sum(dim=1) / (finest[0] ** 2).sum().clamp_min(1e-12)
    slope[0] = 0
    return slope


def _deviation(bands: torch.Tensor, tint: torch.Tensor) -> torch.Tensor:
    """Robust deviation of each band and plane, colours freed of what goes along with lightness: J x 3 x P -> J x 3."""
    own_colour = bands - tint[:, None] * bands[:, :1]
    return robust_deviation(own_colour, -1)


def _non_negative_solution(matrix: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """x >= 0 that brings matrix @ x nearest to target; all three non-negative (image space reconstruction, ISRA)."""
    solution = target.clone()
    for _ in range(200):
        solution = solution * (matrix.T @ target) / (matrix.T @ matrix @ solution).clamp_min(1e-20)
    return solution


def _noise(size: Size, weights: torch.Tensor, seed: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Noise of H x W pixels, strip by strip: their rows and 3 x rows x W; none where all weights (bands x 3) are 0.

    White noise is drawn row by row and handed on from strip to strip as far as the filters reach, so that no strip
    ends in the grain.
    """
    height, width = size
    used = weights.amax(dim=0) > 0
    if not used.any():
        return
    weights, generator = weights[:, used, None, None], torch.Generator().manual_seed(seed)

    def white(rows: int) -> torch.Tensor:
        lines = torch.empty(rows, weights.numel() * (width + 2 * _REACH))
        for line in lines:
            line.normal_(generator=generator)
        return weights * lines.unflatten(1, (*weights.shape[:2], -1)).movedim(0, 2)

    step = max(2 * _REACH, _STRIP_PIXELS // width)
    drawn = white(2 * _REACH)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        drawn = torch.cat([drawn[..., -2 * _REACH :, :], white(rows.stop - top)], dim=2)
        planes = torch.zeros(3, rows.stop - top, width)
        planes[used] = _sum_of_bands(drawn)
        yield rows, planes


def _sum_of_bands(white: torch.Tensor) -> torch.Tensor:
    """Band j of field j, summed over all: bands x C x H x W -> C x H x W, the filters' reach less at each border.

    Each smoothing is done once, for all the coarser bands together: with the smoothing S of a level,
    `field - S field + S coarser` is `field + S (coarser - field)`.
    """
    total = torch.zeros_like(white[0])
    for level in reversed(range(_BANDS)):
        smooth = _smoothed(total - white[level], 2**level)
        white = _cropped(white, 2 * 2**level)
        total = smooth.add_(white[level])
    return total

"""Power of pictures over spatial frequency: windowed, transformed and averaged over rings.

Convention: frequencies are in cycles per pixel; 0.5 is the finest that a row of pixels can hold. Power is that of
BT.709 luma of sRGB-encoded values in 0..1, scaled so that its mean over all frequencies is the variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ...checks import require_images
from ...errors import ImageError
from ...pixels.color import luma
from ...pixels.filters import hann_window, taper
from .noise_limit import noise_limit

BAND_EDGES = (1 / 16, 1 / 8, 1 / 4)
"""Between the four bands, in cycles per pixel."""

_BANDS = len(BAND_EDGES) + 1

# Rows and columns at the border that never get brighter than this are a border, not a picture.
_BLACK = 4 / 255


@dataclass(frozen=True, eq=False)
class RadialPower:
    """Power over frequency, before anything is read off it.

    Attributes:
        frequencies: R, the radii k / min(H, W), k = 0 .. min(H, W) // 2.
        counts: R, how many frequencies of the plane lie on each ring.
        power: B x R, the mean power on each ring.
        bands: B x 4, the share of the variance in each band; the last one has the corners beyond 0.5, so that the
            four sum to the variance.
        short_sides: B, the shorter side of the picture inside its black border, in pixels.
        supports: B, the side in pixels of the square whose window is as wide as the one used: what is slower than
            about three periods over it cannot be told.
        noise_limits: B, cycles per pixel; see `noise_limit`.
    """

    frequencies: torch.Tensor
    counts: torch.Tensor
    power: torch.Tensor
    bands: torch.Tensor
    short_sides: torch.Tensor
    supports: torch.Tensor
    noise_limits: torch.Tensor


@torch.no_grad()
def radial_power(images: torch.Tensor, mask: torch.Tensor | None = None, *, judge_noise: bool = True) -> RadialPower:
    """Average the power of each picture over rings of equal frequency.

    Rings are `round(f min(H, W))`, so that in pictures that are not square they are circles in cycles per pixel.

    Args:
        images: B x 3 x H x W or B x 1 x H x W in 0..1.
        mask: B x 1 x H x W in 0..1, or 1 x 1 x H x W for all; see `View`.
        judge_noise: whether the noise limits are wanted, which take as long as the rest; 0.5 where not.

    Returns:
        float64 on the CPU: the curves are short, and not every device has float64.

    Raises:
        ImageError: as `check_spectrum_input` and `views`.
    """
    check_spectrum_input(images, mask)
    height, width = images.shape[-2:]
    shorter = min(height, width)
    radii = shorter // 2 + 1
    frequency = frequency_plane(height, width, images.device)
    # Every frequency has a ring and a band; the rings beyond 0.5, in the corners, count for the bands alone.
    band = torch.bucketize(frequency, torch.tensor(BAND_EDGES, device=images.device), right=True)
    cell = (frequency * shorter).round_().long().mul_(_BANDS).add_(band).flatten()
    cells = _BANDS * (shorter + 1)
    twice = column_counts(width, images.device)
    counts = _sums(twice.expand_as(frequency), cell, cells)[:radii].sum(dim=1)
    curves = RadialPower(
        frequencies=torch.arange(radii, dtype=torch.float64) / shorter,
        counts=counts,
        power=torch.zeros(len(images), radii, dtype=torch.float64),
        bands=torch.zeros(len(images), _BANDS, dtype=torch.float64),
        short_sides=torch.zeros(len(images), dtype=torch.float64),
        supports=torch.zeros(len(images), dtype=torch.float64),
        noise_limits=torch.full((len(images),), 0.5, dtype=torch.float64),
    )
    for index, view in enumerate(views(images, mask)):
        sums = _sums(view.power().mul_(twice), cell, cells)
        curves.power[index] = sums[:radii].sum(dim=1) / counts
        curves.bands[index] = sums.sum(dim=0) / (height * width)
        curves.short_sides[index], curves.supports[index] = view.short_side, view.support
        if judge_noise:
            curves.noise_limits[index] = noise_limit(view.gray, view.weights)
    return curves


@dataclass(frozen=True, eq=False)
class View:
    """What of one picture is measured.

    The window is a separable Hann window over what lies inside the picture's black border, times the mask. With a mask
    the numbers are therefore those of the masked part alone, per pixel of it, and a mask of ones changes nothing; a
    mask with a hard edge lets low frequencies leak into high ones (4e-3 of them, a feathered one 1e-8).

    Attributes:
        gray: H x W float32 luma in 0..1.
        window: H x W float32, from 0 to 1.
        weights: H x W, the mask without the Hann window; None for all pixels.
        short_side: the shorter side in pixels inside the black border.
    """

    gray: torch.Tensor
    window: torch.Tensor
    weights: torch.Tensor | None
    short_side: int

    @property
    def support(self) -> float:
        """The side in pixels of the square whose Hann window is as wide; 0 where nothing is measured."""
        energy = float((self.window**2).sum())
        return min(self.short_side, 1.5 * float(self.window.sum()) / math.sqrt(energy)) if energy else 0.0

    def power(self) -> torch.Tensor:
        """`|FFT(w (x - sum(w x) / sum(w)))|^2 / sum(w^2)`, H x (W // 2 + 1), ordered as by `torch.fft.rfft2`."""
        energy = float((self.window**2).sum())
        if energy == 0:
            return self.gray.new_zeros(self.gray.shape[0], self.gray.shape[1] // 2 + 1)
        spectrum = torch.fft.rfft2(taper(self.gray, self.window))
        return torch.view_as_real(spectrum).square_().sum(dim=-1).div_(energy)


def views(images: torch.Tensor, mask: torch.Tensor | None = None) -> Iterator[View]:
    """What of each picture is measured, one after the other, so that memory follows one picture.

    Args:
        images: B x 3 x H x W or B x 1 x H x W in 0..1, as `check_spectrum_input` lets them pass.
        mask: B x 1 x H x W or 1 x 1 x H x W in 0..1, or None.

    Raises:
        ImageError: a picture or mask holds NaN or infinity.
    """
    for index in range(len(images)):
        image = images[index : index + 1].float()
        gray = (luma(image) if image.shape[1] == 3 else image)[0, 0]
        if not torch.isfinite(gray).all():
            raise ImageError("The image holds NaN or infinity, so it has no spectrum; mend what made it.")
        rows, columns = _inside_border(gray)
        window = _hann(rows, gray.shape[0]).to(gray)[:, None] * _hann(columns, gray.shape[1]).to(gray)
        side = min(rows.stop - rows.start, columns.stop - columns.start)
        weights = None
        if mask is not None:
            weights = mask[index if len(mask) > 1 else 0, 0].to(gray)
            if not torch.isfinite(weights).all():
                raise ImageError("The mask holds NaN or infinity; give weights in 0..1.")
            window = window * weights
        elif side < min(gray.shape):
            weights = (window > 0).to(gray)
        yield View(gray, window, weights, side)


def frequency_plane(height: int, width: int, device: torch.device | None = None) -> torch.Tensor:
    """H x (W // 2 + 1); the frequency of each value of `torch.fft.rfft2`, in cycles per pixel."""
    rows = torch.fft.fftfreq(height, device=device)
    return torch.hypot(rows[:, None], torch.fft.rfftfreq(width, device=device))


def column_counts(width: int, device: torch.device | None = None) -> torch.Tensor:
    """W // 2 + 1; how many columns of the whole spectrum each one of `torch.fft.rfft2` stands for.

    A real picture's spectrum is symmetric: all columns stand for two but the first, and the last of an even width.
    """
    counts = torch.full((width // 2 + 1,), 2.0, device=device)
    counts[0] = 1
    if width % 2 == 0:
        counts[-1] = 1
    return counts


def check_spectrum_input(images: torch.Tensor, mask: torch.Tensor | None = None) -> None:
    """Make sure that shapes and kinds are those that can be measured.

    Raises:
        ImageError: they are not.
    """
    require_images(images, gray=True)
    if mask is None:
        return
    fitting = [(count, 1, *images.shape[-2:]) for count in (len(images), 1)]
    if tuple(mask.shape) not in fitting:
        raise ImageError(f"The mask must be {fitting[0]} or {fitting[1]}, got {tuple(mask.shape)}.")


def _sums(values: torch.Tensor, cell: torch.Tensor, cells: int) -> torch.Tensor:
    """Rings x bands, float64 on the CPU; no cell holds so many values that float32 would lose any."""
    sums = values.new_zeros(cells).index_add_(0, cell, values.flatten())
    return sums.cpu().double().view(-1, _BANDS)


def _inside_border(gray: torch.Tensor) -> tuple[slice, slice]:
    """Rows and columns inside a black border; all of them where everything is black."""
    found = []
    for dim in (1, 0):
        lit = (gray.amax(dim=dim) > _BLACK).nonzero().flatten()
        if len(lit) == 0:
            return slice(0, gray.shape[0]), slice(0, gray.shape[1])
        found.append(slice(int(lit[0]), int(lit[-1]) + 1))
    return found[0], found[1]


def _hann(inside: slice, length: int) -> torch.Tensor:
    """length; a Hann window over `inside`, sampled at pixel centres so that it is symmetric and never all 0."""
    window = torch.zeros(length)
    window[inside] = hann_window(inside.stop - inside.start)
    return window

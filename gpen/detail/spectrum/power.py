"""Power of pictures over spatial frequency: window, Fourier transform, average over rings.

Convention: frequencies are in cycles per pixel; 0.5 is the finest that a row of pixels can hold. Power is that of
BT.709 luma of sRGB-encoded values in 0..1, scaled so that its mean over all frequencies is the variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch

from ...checks import all_finite, require_images
from ...errors import ImageError
from ...pixels.color import luma
from ...pixels.filters import hann_window, taper
from ...progress import Steps, no_steps, steps_within
from .noise_limit import noise_limit

BAND_EDGES = (1 / 16, 1 / 8, 1 / 4)
"""Boundaries of the four bands in cycles per pixel."""

_BANDS = len(BAND_EDGES) + 1

# Maximum size of pictures whose frequencies are kept sorted for the next one: that of the crops of faces.
_KEPT_PIXELS = 1 << 20
# Outer rows and columns that are nowhere brighter than this count as a black border.
_BLACK = 4 / 255


@dataclass(frozen=True, eq=False)
class RadialPower:
    """Power over frequency, before the analysis.

    Attributes:
        frequencies: R, the radii k / min(H, W), k = 0 .. min(H, W) // 2.
        counts: R, number of frequencies on each ring.
        power: B x R, the mean power on each ring.
        bands: B x 4, the share of the variance in each band; the last one has the corners beyond 0.5, so that the
            four sum to the variance.
        short_sides: B, the shorter side of the picture inside its black border, in pixels.
        supports: B, side in pixels of the square with an equally wide window; frequencies below about three periods
            over it cannot be resolved.
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
def radial_power(
    images: torch.Tensor, mask: torch.Tensor | None = None, *, judge_noise: bool = True, progress: Steps = no_steps
) -> RadialPower:
    """Compute the power of each picture, averaged over rings of equal frequency.

    Rings are `round(f min(H, W))`, so that in pictures that are not square they are circles in cycles per pixel.

    Args:
        images: B x 3 x H x W or B x 1 x H x W in 0..1.
        mask: B x 1 x H x W in 0..1, or 1 x 1 x H x W for all; see `View`.
        judge_noise: whether to compute the noise limits, which doubles the time; otherwise they are 0.5.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        float64 on the CPU: the curves are short, and not every device has float64.

    Raises:
        ImageError: as `check_spectrum_input` and `views`.
    """
    check_spectrum_input(images, mask)
    height, width = images.shape[-2:]
    shorter = min(height, width)
    radii = shorter // 2 + 1
    kept = height * width <= _KEPT_PIXELS
    cell, twice = (_kept_cells if kept else _cells)(height, width, images.device)
    cells = _BANDS * (shorter + 1)
    counts = _sums(twice.expand(height, -1), cell, cells)[:radii].sum(dim=1)
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
        steps = steps_within(progress, 10 * index, 10 * index + 10, 10 * len(images))
        steps(1, 10)
        power = view.power().mul_(twice)
        steps(4, 10)
        sums = _sums(power, cell, cells)
        curves.power[index] = sums[:radii].sum(dim=1) / counts
        curves.bands[index] = sums.sum(dim=0) / (height * width)
        curves.short_sides[index], curves.supports[index] = view.short_side, view.support
        if judge_noise:
            curves.noise_limits[index] = noise_limit(view.gray, view.weights, progress=steps_within(steps, 6, 10, 10))
        steps(10, 10)
    return curves


@dataclass(frozen=True, eq=False)
class View:
    """The measured part of one picture.

    The window is a separable Hann window over the area inside the black border, multiplied by the mask. With a mask,
    the numbers are therefore those of the masked part, per pixel of it; a mask of ones changes nothing. A mask with a
    hard edge makes low frequencies leak into high ones (4e-3 of them, a feathered one 1e-8).

    Attributes:
        gray: H x W float32 luma in 0..1.
        window: H x W float32, from 0 to 1.
        weights: H x W, the mask without the Hann window; None for all pixels.
        short_side: the shorter side in pixels inside the black border.
        total: sum of the window.
        energy: sum of its squares.
    """

    gray: torch.Tensor
    window: torch.Tensor
    weights: torch.Tensor | None
    short_side: int
    total: float
    energy: float

    @property
    def support(self) -> float:
        """Side in pixels of the square with an equally wide Hann window; 0 if nothing is measured."""
        return min(self.short_side, 1.5 * self.total / math.sqrt(self.energy)) if self.energy else 0.0

    def power(self) -> torch.Tensor:
        """`|FFT(w (x - sum(w x) / sum(w)))|^2 / sum(w^2)`, H x (W // 2 + 1), ordered as by `torch.fft.rfft2`."""
        if self.energy == 0:
            return self.gray.new_zeros(self.gray.shape[0], self.gray.shape[1] // 2 + 1)
        real, imaginary = torch.view_as_real(torch.fft.rfft2(taper(self.gray, self.window, self.total))).unbind(dim=-1)
        return torch.addcmul(real * real, imaginary, imaginary).div_(self.energy)


def views(images: torch.Tensor, mask: torch.Tensor | None = None) -> Iterator[View]:
    """Yield the measured part of each picture, one by one to limit memory.

    Args:
        images: B x 3 x H x W or B x 1 x H x W in 0..1, as `check_spectrum_input` lets them pass.
        mask: B x 1 x H x W or 1 x 1 x H x W in 0..1, or None.

    Raises:
        ImageError: a picture or mask holds NaN or infinity.
    """
    for index in range(len(images)):
        image = images[index : index + 1].float()
        gray = (luma(image) if image.shape[1] == 3 else image)[0, 0]
        if not all_finite(gray):
            raise ImageError("The image holds NaN or infinity, so it has no spectrum; mend what made it.")
        rows, columns = _inside_border(gray)
        place = (rows.start, rows.stop, columns.start, columns.stop)
        make = _kept_window if gray.numel() <= _KEPT_PIXELS else _window
        window, total, energy = make(place, gray.shape[0], gray.shape[1], gray.device)
        side = min(rows.stop - rows.start, columns.stop - columns.start)
        weights = None
        if mask is not None:
            weights = mask[index if len(mask) > 1 else 0, 0].to(gray)
            if not all_finite(weights):
                raise ImageError("The mask holds NaN or infinity; give weights in 0..1.")
            window = window * weights
            total, energy = float(window.sum()), float((window**2).sum())
        elif side < min(gray.shape):
            weights = (window > 0).to(gray)
        yield View(gray, window, weights, side, total, energy)


def frequency_plane(height: int, width: int, device: torch.device | None = None) -> torch.Tensor:
    """H x (W // 2 + 1); the frequency of each value of `torch.fft.rfft2`, in cycles per pixel."""
    rows = torch.fft.fftfreq(height, device=device)
    return torch.hypot(rows[:, None], torch.fft.rfftfreq(width, device=device))


def column_counts(width: int, device: torch.device | None = None) -> torch.Tensor:
    """W // 2 + 1; number of columns of the full spectrum that each column of `torch.fft.rfft2` represents.

    The spectrum of a real picture is symmetric, so each column represents two, except the first, and the last for even
    widths.
    """
    counts = torch.full((width // 2 + 1,), 2.0, device=device)
    counts[0] = 1
    if width % 2 == 0:
        counts[-1] = 1
    return counts


def check_spectrum_input(images: torch.Tensor, mask: torch.Tensor | None = None) -> None:
    """Check shapes and dtypes of the input.

    Raises:
        ImageError: they are not supported.
    """
    require_images(images, gray=True)
    if mask is None:
        return
    fitting = [(count, 1, *images.shape[-2:]) for count in (len(images), 1)]
    if tuple(mask.shape) not in fitting:
        raise ImageError(f"The mask must be {fitting[0]} or {fitting[1]}, got {tuple(mask.shape)}.")


def _cells(height: int, width: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """For each value of `torch.fft.rfft2` its ring and band in one number, flattened; and `column_counts`."""
    # Tensors created in inference mode cannot be used with gradients later.
    with torch.inference_mode(False):
        frequency = frequency_plane(height, width, device)
        # Every frequency has a ring and a band; the rings beyond 0.5, in the corners, count only for the bands.
        band = torch.bucketize(frequency, torch.tensor(BAND_EDGES, device=device), right=True)
        cell = (frequency * min(height, width)).round_().long().mul_(_BANDS).add_(band).flatten()
        return cell, column_counts(width, device)


_kept_cells = lru_cache(maxsize=4)(_cells)


def _sums(values: torch.Tensor, cell: torch.Tensor, cells: int) -> torch.Tensor:
    """Rings x bands, float64 on the CPU; cells are small enough for exact sums in float32."""
    sums = values.new_zeros(cells).index_add_(0, cell, values.flatten())
    return sums.cpu().double().view(-1, _BANDS)


def _inside_border(gray: torch.Tensor) -> tuple[slice, slice]:
    """Rows and columns inside a black border; all if everything is black."""
    found = []
    for dim in (1, 0):
        lit = (gray.amax(dim=dim) > _BLACK).nonzero().flatten()
        if len(lit) == 0:
            return slice(0, gray.shape[0]), slice(0, gray.shape[1])
        found.append(slice(int(lit[0]), int(lit[-1]) + 1))
    return found[0], found[1]


def _window(
    place: tuple[int, int, int, int], height: int, width: int, device: torch.device
) -> tuple[torch.Tensor, float, float]:
    """A Hann window over rows and columns of a picture (first and last, exclusive, of each), its sum and energy."""
    # Tensors created in inference mode cannot be used with gradients later.
    with torch.inference_mode(False):
        rows, columns = _hann(slice(*place[:2]), height), _hann(slice(*place[2:]), width)
        window = rows.to(device)[:, None] * columns.to(device)
        return window, float(window.sum()), float((window**2).sum())


_kept_window = lru_cache(maxsize=8)(_window)


def _hann(inside: slice, length: int) -> torch.Tensor:
    """length; a Hann window over `inside`, sampled at pixel centres so that it is symmetric and never all 0."""
    window = torch.zeros(length)
    window[inside] = hann_window(inside.stop - inside.start)
    return window

"""Measure the amount and fineness of detail in pictures: power over spatial frequency, and its summary.

Convention: frequencies are in cycles per pixel; 0.5 is the finest that a row of pixels can hold. Power is that of
BT.709 luma of sRGB-encoded values in 0..1, scaled so that its mean over all frequencies is the variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from ...errors import ImageError
from ...progress import Steps, no_steps
from ...wording import count
from .cutoff import find_cutoff, fit_slope
from .power import BAND_EDGES, RadialPower, radial_power

BAND_NAMES = ("low", "middle", "high", "finest")
"""Below 1/16, to 1/8, to 1/4 and from 1/4 cycles per pixel."""

FLOOR = 1e-12
"""Power that counts as none; the rounding of an 8-bit picture has 1e-6."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Spectra of B pictures; float32 on the device of the pictures.

    Attributes:
        high_frequency_ratio: B, 0..1; share of the variance above 1/4 cycles per pixel; 0 for a flat picture.
        slope: B; negative exponent of power over frequency: 2 for most photographs, 3 for faces, 0 for noise.
        cutoff: B, 0..0.5 cycles per pixel; frequency at which the picture's own detail ends; 0 for a flat picture.
        effective_resolution: B, pixels; twice the cut-off times the shorter side (inside a black border): the smallest
            side that could hold the same detail.
        radial_power: B x R; the mean power on each ring of equal frequency.
        frequencies: R, cycles per pixel.
        bands: B x 4; the variance in each band of `BAND_NAMES`. They sum to the picture's variance.
        size: (height, width) of the pictures in pixels.
    """

    high_frequency_ratio: torch.Tensor
    slope: torch.Tensor
    cutoff: torch.Tensor
    effective_resolution: torch.Tensor
    radial_power: torch.Tensor
    frequencies: torch.Tensor
    bands: torch.Tensor
    size: tuple[int, int]
    curves: RadialPower = field(repr=False)

    def __len__(self) -> int:
        return len(self.cutoff)


def analyze(images: torch.Tensor, mask: torch.Tensor | None = None, *, progress: Steps = no_steps) -> Spectrum:
    """Measure the spectrum of pictures, of face crops, or of a part of either.

    1. Convert to luma, exclude the black border, subtract the mean and apply a Hann window.
    2. Average the power of the Fourier transform over rings of equal frequency, and sum it over bands.
    3. Derive slope and cut-off from the radial curve (`fit_slope`, `find_cutoff`).

    For a picture of 1 x 1 or a flat one, all numbers are 0; below about 24 pixels no cut-off can be measured, so it is
    0.5. Pictures are processed one by one, with about 0.7 GB of memory for 24 million pixels.

    Args:
        images: B x 3 x H x W or B x 1 x H x W floating point in 0..1.
        mask: B x 1 x H x W (or 1 x 1 x H x W for all) weights in 0..1 of the part to measure, feathered over some
            pixels. The numbers are per pixel of the part, comparable with those of the whole picture.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Raises:
        ImageError: another shape or kind, NaN or infinity.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.detail.spectrum import analyze
        >>> from gpen_blocks.gpen.pixels.filters import gaussian_blur
        >>> sharp = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
        >>> soft = gaussian_blur(sharp, 2.0)
        >>> bool(analyze(soft).high_frequency_ratio < analyze(sharp).high_frequency_ratio)
        True
    """
    return _read(radial_power(images, mask, progress=progress), images.shape[-2:], images.device)


def measure_cutoff(
    images: torch.Tensor, mask: torch.Tensor | None = None, *, progress: Steps = no_steps
) -> torch.Tensor:
    """Frequency at which each picture's own detail ends, B values of 0..0.5 cycles per pixel, as in `analyze`.

    After a Gaussian blur of sigma pixels it is 0.2415 / sigma; for faces, whose power falls faster than that of most
    pictures, 0.8 to 1 times that.

    Args:
        images: as in `analyze`.
        mask: as in `analyze`.
        progress: as in `analyze`.

    Raises:
        ImageError: as in `analyze`.
    """
    return _cutoff(radial_power(images, mask, progress=progress)).to(images.device, torch.float32)


def mean_of(spectrum: Spectrum) -> Spectrum:
    """The mean spectrum of a batch: power (not its logarithm) is averaged, then all numbers are derived again.

    Returns:
        A spectrum of one.

    Raises:
        ImageError: the batch is empty.
    """
    if len(spectrum) == 0:
        raise ImageError("An empty batch has no mean spectrum; give at least one picture.")
    curves = spectrum.curves
    averaged = RadialPower(
        frequencies=curves.frequencies,
        counts=curves.counts,
        power=curves.power.mean(dim=0, keepdim=True),
        bands=curves.bands.mean(dim=0, keepdim=True),
        short_sides=curves.short_sides.mean(dim=0, keepdim=True),
        supports=curves.supports.mean(dim=0, keepdim=True),
        noise_limits=curves.noise_limits.mean(dim=0, keepdim=True),
    )
    return _read(averaged, spectrum.size, spectrum.cutoff.device)


def _read(curves: RadialPower, size: tuple[int, ...], device: torch.device) -> Spectrum:
    total = curves.bands.sum(dim=1)
    ratio = torch.where(total > FLOOR, curves.bands[:, -1] / total.clamp_min(FLOOR), 0)
    slope = torch.where(total > FLOOR, fit_slope(curves), 0)
    cutoff = _cutoff(curves)
    return Spectrum(
        *(
            values.to(device, torch.float32)
            for values in (
                ratio,
                slope,
                cutoff,
                2 * cutoff * curves.short_sides,
                curves.power,
                curves.frequencies,
                curves.bands,
            )
        ),
        size=(size[0], size[1]),
        curves=curves,
    )


def _cutoff(curves: RadialPower) -> torch.Tensor:
    return torch.where(curves.bands.sum(dim=1) > FLOOR, find_cutoff(curves), 0)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Difference in power between two sets of pictures.

    Attributes:
        frequencies: R, cycles per pixel; those of the smaller pictures.
        decibels: B x R; 10 log10(a / b) on each ring: above 0 where a has more power.
        bands: B x 4; the mean absolute decibels over the rings of each band; 0 where a band has no ring.
    """

    frequencies: torch.Tensor
    decibels: torch.Tensor
    bands: torch.Tensor


def compare(a: Spectrum, b: Spectrum) -> Comparison:
    """Compare two spectra ring by ring.

    Pictures of different sizes are compared at equal cycles per pixel, on the rings of the one that has fewer: power
    is averaged over the finer rings that fall on each. Enlarging moves detail to lower frequencies, so resize two
    versions of a scene to the same size first.

    Args:
        a: of B pictures, or of one for all of `b`.
        b: of B pictures, or of one for all of `a`.

    Raises:
        ImageError: neither equally many pictures nor one.
    """
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise ImageError(f"{count(len(a), 'picture')} cannot be compared with {len(b)}; give as many, or one.")
    coarse = a.curves if len(a.frequencies) <= len(b.frequencies) else b.curves
    power_a, power_b = (_on_rings(spectrum.curves, coarse.frequencies) for spectrum in (a, b))
    decibels = 10 * torch.log10((power_a + FLOOR) / (power_b + FLOOR))
    band = torch.bucketize(coarse.frequencies, coarse.frequencies.new_tensor(BAND_EDGES), right=True)
    bands = torch.zeros(len(decibels), len(BAND_NAMES), dtype=torch.float64)
    for number in range(len(BAND_NAMES)):
        inside = (band == number) & (coarse.frequencies > 0)
        if inside.any():
            bands[:, number] = decibels[:, inside].abs().mean(dim=1)
    device = a.cutoff.device
    return Comparison(*(values.to(device, torch.float32) for values in (coarse.frequencies, decibels, bands)))


def _on_rings(curves: RadialPower, frequencies: torch.Tensor) -> torch.Tensor:
    """B x R' power on the rings of `frequencies`, none of them finer than the curves' own."""
    if len(curves.frequencies) == len(frequencies):
        return curves.power
    step = float(frequencies[1]) if len(frequencies) > 1 else 1.0
    ring = (curves.frequencies / step).round().long().clamp(max=len(frequencies) - 1)
    sums = torch.zeros(len(curves.power), len(frequencies), dtype=torch.float64)
    sums.index_add_(1, ring, curves.power * curves.counts)
    return sums / torch.zeros(len(frequencies), dtype=torch.float64).index_add_(0, ring, curves.counts).clamp_min(1)


UNITS = {
    "high_frequency_ratio": "share of the variance, 0..1",
    "slope": "minus the exponent of power over frequency",
    "cutoff": "cycles per pixel",
    "effective_resolution": "pixels",
    "bands": "variance of luma in 0..1",
    "frequencies": "cycles per pixel",
    "radial_power_db": "decibels; 0 dB is a variance of 1",
    "difference_db": "decibels; above 0 where the second picture holds more",
    "band_difference_db": "mean absolute decibels",
    "size": "pixels",
}
"""Units of the numbers in a report."""


def report(spectrum: Spectrum, other: Spectrum | None = None) -> dict[str, Any]:
    """JSON-serialisable report of a spectrum, or of two spectra compared.

    Args:
        spectrum: spectrum of B pictures.
        other: spectrum of the same number of restored or reference pictures.

    Returns:
        `units`; `pictures`, one object a picture; with `other` also `others` and `comparison`, `other` against
        `spectrum`.

    Raises:
        ImageError: as `compare`.
    """
    body: dict[str, Any] = {"units": UNITS, "band_edges": list(BAND_EDGES), "pictures": _describe(spectrum)}
    if other is None:
        return body
    difference = compare(other, spectrum)
    body["others"] = _describe(other)
    body["comparison"] = [
        {
            "band_difference_db": _named_bands(bands, 3),
            "frequencies": _rounded(difference.frequencies, 6),
            "difference_db": _rounded(decibels, 3),
        }
        for bands, decibels in zip(difference.bands, difference.decibels, strict=True)
    ]
    return body


def _describe(spectrum: Spectrum) -> list[dict[str, Any]]:
    height, width = spectrum.size
    return [
        {
            "size": {"width": width, "height": height},
            "high_frequency_ratio": round(float(spectrum.high_frequency_ratio[index]), 6),
            "slope": round(float(spectrum.slope[index]), 3),
            "cutoff": round(float(spectrum.cutoff[index]), 5),
            "effective_resolution": round(float(spectrum.effective_resolution[index]), 1),
            "bands": _named_bands(spectrum.bands[index], 9),
            "frequencies": _rounded(spectrum.frequencies, 6),
            "radial_power_db": _rounded(10 * torch.log10(spectrum.radial_power[index] + FLOOR), 3),
        }
        for index in range(len(spectrum))
    ]


def _named_bands(values: torch.Tensor, digits: int) -> dict[str, float]:
    return dict(zip(BAND_NAMES, _rounded(values, digits), strict=True))


def _rounded(values: torch.Tensor, digits: int) -> list[float]:
    return [round(value, digits) for value in values.tolist()]

"""Metrics that compare restored pictures with their originals: pure functions on tensors, one value per picture.

Pictures are sRGB-encoded RGB, B x 3 x H x W in 0..1; detail is that of BT.709 luma, frequencies are in cycles per
pixel. No function returns NaN or infinity for finite pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from ..checks import require_finite_images
from ..detail.spectrum.analysis import FLOOR, Spectrum, compare
from ..detail.spectrum.power import BAND_EDGES, column_counts, frequency_plane, views
from ..errors import ImageError
from ..pixels.color import luma
from ..pixels.filters import taper
from ..types import Face

DETAIL_FROM = 1 / 8
"""Frequency in cycles per pixel above which energy counts as detail in `DetailAgreement`."""

CORRELATION_BANDS = tuple(pairwise(BAND_EDGES))
"""The two bands for the correlation of detail: 1/16 to 1/8 and 1/8 to 1/4 cycles per pixel."""

PSNR_LIMIT = 100.0
"""PSNR in decibels of equal pictures; any different 8-bit pictures have less."""

SSIM_SIDE = 12
MS_SSIM_SIDE = 161
"""Minimum sides for torchmetrics: more than half its window of 11, and that at 5 scales."""


def psnr(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio over all three channels, B values in decibels, at most `PSNR_LIMIT`.

    Args:
        images: B x 3 x H x W in 0..1.
        truth: the same shape.

    Raises:
        ImageError: the two are not pairs of colour images, or hold NaN.
    """
    _require_pairs(images, truth)
    error = (images.double() - truth.double()).square().mean(dim=(1, 2, 3))
    return (-10 * torch.log10(error.clamp_min(10 ** (-PSNR_LIMIT / 10)))).float()


def ssim(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Structural similarity (Wang et al. 2004) as in torchmetrics, Gaussian window of 1.5 px; B values in -1..1.

    Args:
        images: B x 3 x H x W in 0..1, no side below `SSIM_SIDE`.
        truth: the same shape.

    Raises:
        ImageError: the two are not pairs of colour images, hold NaN or are too small.
        ImportError: torchmetrics is not installed.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    return _similarity(structural_similarity_index_measure, images, truth, SSIM_SIDE)


def ms_ssim(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """SSIM over five scales (Wang et al. 2003) as in torchmetrics; B values in 0..1.

    Args:
        images: B x 3 x H x W in 0..1, no side below `MS_SSIM_SIDE`.
        truth: the same shape.

    Raises:
        ImageError: the two are not pairs of colour images, hold NaN or are too small.
        ImportError: torchmetrics is not installed.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    return _similarity(multiscale_structural_similarity_index_measure, images, truth, MS_SSIM_SIDE)


def _similarity(measure: Callable[..., Any], images: torch.Tensor, truth: torch.Tensor, least: int) -> torch.Tensor:
    _require_pairs(images, truth)
    if min(truth.shape[-2:]) < least:
        height, width = truth.shape[-2:]
        raise ImageError(f"This similarity needs sides of {least} pixels or more, got {width} x {height}.")
    if len(images) == 0:
        return images.new_zeros(0)
    return measure(images.float(), truth.float(), data_range=1.0, reduction="none").reshape(len(images))


@dataclass(frozen=True, eq=False)
class DetailAgreement:
    """Amount of detail of pictures compared with the originals, and its correlation with them.

    Attributes:
        power: B; variance of the pictures' luma above `DETAIL_FROM`.
        truth_power: B; the same of the originals.
        correlation: B x 2, -1..1; normalised cross-correlation of picture and original in each of `CORRELATION_BANDS`;
            0 if one of the two has no power there.
    """

    power: torch.Tensor
    truth_power: torch.Tensor
    correlation: torch.Tensor

    @property
    def ratio(self) -> torch.Tensor:
        """B; the pictures' detail over the truth's. 1 where neither holds any; where only the truth holds none, the
        floor stands for it. For many pictures, average the powers and not the ratios.
        """
        return (self.power + FLOOR) / (self.truth_power + FLOOR)


@torch.no_grad()
def compare_detail(images: torch.Tensor, truth: torch.Tensor) -> DetailAgreement:
    """Measure energy and correlation of detail. Energy without correlation is invented detail.

    Both pictures are multiplied by the original's window (Hann, inside its black border) after subtracting their mean.
    By Parseval's theorem, the correlation of the band-passed pictures is the real part of the sum of X conj(Y) over the
    band, divided by the square roots of the sums of |X|^2 and |Y|^2.

    Args:
        images: B x 3 x H x W in 0..1.
        truth: the same shape.

    Raises:
        ImageError: the two are not pairs of colour images, or hold NaN.
    """
    _require_pairs(images, truth)
    height, width = truth.shape[-2:]
    frequency = frequency_plane(height, width, truth.device)
    twice = column_counts(width, truth.device)
    fine = twice * (frequency >= DETAIL_FROM)
    bands = [twice * ((frequency >= low) & (frequency < high)) for low, high in CORRELATION_BANDS]
    power, truth_power = torch.zeros(len(truth)), torch.zeros(len(truth))
    correlation = torch.zeros(len(truth), len(bands))
    for index, view in enumerate(views(truth)):
        # Normalised so that the sum over the plane is the variance.
        unit = 1 / (float(view.window.square().sum()) * height * width)
        grays = luma(images[index : index + 1].float())[0, 0], view.gray
        x, y = (torch.fft.rfft2(taper(gray, view.window)) for gray in grays)
        power[index], truth_power[index] = unit * (x.abs() ** 2 * fine).sum(), unit * (y.abs() ** 2 * fine).sum()
        for number, band in enumerate(bands):
            shared = unit * ((x * y.conj()).real * band).sum()
            own, true = (unit * (spectrum.abs() ** 2 * band).sum() for spectrum in (x, y))
            if own > FLOOR and true > FLOOR:
                correlation[index, number] = (shared / (own * true).sqrt()).clamp(-1, 1)
    return DetailAgreement(power, truth_power, correlation)


def spectral_distance(spectrum: Spectrum, truth: Spectrum) -> tuple[torch.Tensor, torch.Tensor]:
    """Difference of the power of pictures from that of the originals: mean absolute decibels over rings.

    Args:
        spectrum: of B pictures.
        truth: of B pictures of the same size.

    Returns:
        B over all frequencies, and B x 4 over those of each band of `detail.spectrum.BAND_NAMES`.
    """
    difference = compare(spectrum, truth)
    rings = difference.decibels[:, difference.frequencies > 0].abs()
    return rings.mean(dim=1) if rings.shape[1] else rings.new_zeros(len(rings)), difference.bands


def landmark_distance(face: Face, expected: Face) -> float:
    """Mean distance of a face's landmarks from the expected ones, in units of the expected eye distance.

    All 68 landmarks are used if both faces have them, otherwise the five. The eye distance is always that of the five.

    Raises:
        ImageError: the expected eyes lie on one point.
    """
    points, wanted = face.landmarks, expected.landmarks
    if face.landmarks68 is not None and expected.landmarks68 is not None:
        points, wanted = face.landmarks68, expected.landmarks68
    eyes = float(np.linalg.norm(expected.landmarks[0] - expected.landmarks[1]))
    if eyes == 0:
        raise ImageError("Both eyes of the expected face lie on one point, so there is no distance to measure with.")
    return float(np.linalg.norm(points - wanted, axis=1).mean()) / eyes


def frechet_distance(features: Moments, truth: Moments) -> float:
    """The Fréchet distance of two normal distributions, |m - n|^2 + tr(C + D - 2 (C D)^(1/2)).

    With Inception features it is FID (Heusel et al. 2017). Fewer pictures than features bias it upwards: compare only
    figures of equally many pictures.

    Raises:
        ImageError: fewer than two samples on one side.
    """
    if min(features.count, truth.count) < 2:
        raise ImageError("The Fréchet distance needs at least two pictures on either side.")
    means = (features.mean - truth.mean).square().sum()
    c, d = features.covariance, truth.covariance
    values, vectors = torch.linalg.eigh(c)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    # C D has the eigenvalues of C^(1/2) D C^(1/2), which is symmetric; rounding leaves some just below 0.
    shared = torch.linalg.eigvalsh(root @ d @ root).clamp_min(0).sqrt().sum()
    return max(0.0, float(means + c.trace() + d.trace() - 2 * shared))


class Moments:
    """Running mean and covariance of vectors in batches; memory depends on their length, not their number."""

    def __init__(self, length: int) -> None:
        self.count = 0
        self._sum = torch.zeros(length, dtype=torch.float64)
        self._products = torch.zeros(length, length, dtype=torch.float64)

    def add(self, vectors: torch.Tensor) -> None:
        """Add N x length vectors."""
        vectors = vectors.detach().cpu().double()
        self.count += len(vectors)
        self._sum += vectors.sum(dim=0)
        self._products += vectors.T @ vectors

    @property
    def mean(self) -> torch.Tensor:
        return self._sum / max(self.count, 1)

    @property
    def covariance(self) -> torch.Tensor:
        """The unbiased covariance."""
        return (self._products - self.count * torch.outer(self.mean, self.mean)) / max(self.count - 1, 1)


def _require_pairs(images: torch.Tensor, truth: torch.Tensor) -> None:
    require_finite_images(images)
    require_finite_images(truth, "The true pictures")
    if images.shape != truth.shape:
        raise ImageError(
            f"Pictures and truth must have the same shape, got {tuple(images.shape)} and {tuple(truth.shape)}; bring "
            "them to one size before."
        )

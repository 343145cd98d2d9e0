"""What is measured, and how a set of values is summed up."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from gpen_blocks.gpen.detail.local_adaptive import structure
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur

# What is finer than this Gaussian, in pixels of a crop of 512, is called detail.
_DETAIL_SIGMA = 1.5
# Below this gradient of the truth, per pixel, a place is flat: one 8-bit level.
_FLAT = 1 / 255


def psnr(images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """B values in decibels, over all pixels and channels."""
    return -10 * torch.log10(((images - truth) ** 2).mean(dim=(1, 2, 3)))


def low_band_change(images: torch.Tensor, photograph: torch.Tensor, sigma: float) -> float:
    """Mean absolute change, in 8-bit levels, of what a Gaussian leaves of one picture's luma; 1 x 3 x H x W."""
    return 255 * float(gaussian_blur(luma(images) - luma(photograph), sigma).abs().mean())


def gradient(lightness: torch.Tensor) -> torch.Tensor:
    """Gradient strength per pixel of a crop of 512, B x 1 x H x W."""
    scale = lightness.shape[-1] / 512
    return structure(lightness, scale, 2 * scale)[0] * scale


def detail(lightness: torch.Tensor) -> torch.Tensor:
    """What is finer than a Gaussian of 1.5 px at 512."""
    return lightness - gaussian_blur(lightness, _DETAIL_SIGMA * lightness.shape[-1] / 512)


def rms(values: torch.Tensor) -> float:
    return float(values.square().mean().sqrt())


def residual_noise(images: torch.Tensor, truth: torch.Tensor) -> list[float]:
    """Fine difference from the truth where that is flat, in 8-bit levels (RMS of luma), of each picture that is."""
    difference = luma(images) - luma(truth)
    fine = difference - gaussian_blur(difference, 3)
    flat = gradient(luma(truth)) < _FLAT
    return [255 * rms(one[where]) for one, where in zip(fine, flat, strict=True) if where.sum() >= 500]


def median(values: Iterable[float] | torch.Tensor, digits: int) -> float:
    return round(float(np.median(_array(values))), digits)


def quartiles(values: Iterable[float] | torch.Tensor, digits: int) -> list[float]:
    """Lower quartile, median and upper quartile."""
    # No minus sign before 0.
    return [round(float(value), digits) + 0.0 for value in np.percentile(_array(values), (25, 50, 75))]


def _array(values: Iterable[float] | torch.Tensor) -> np.ndarray:
    return np.asarray(values if isinstance(values, torch.Tensor) else list(values), dtype=np.float64)

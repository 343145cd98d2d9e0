"""Colour match."""

import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.pixels.color import match_low_band, match_mean_std
from gpen_blocks.gpen.pixels.filters import gaussian_blur


def colorful(side: int = 192, seed: int = 0) -> torch.Tensor:
    """A smooth, colourful picture with some texture."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 7, generator=generator)
    texture = torch.rand(1, 1, side, side, generator=generator) - 0.5
    return (F.interpolate(coarse, (side, side), mode="bicubic") + 0.1 * texture).clamp(0, 1)


def test_the_low_band_becomes_the_references():
    """A cast and a shading are taken off entirely; detail within the band of the crop stays."""
    crop = colorful()
    shading = torch.linspace(-0.2, 0.2, 192).expand_as(crop)
    torch.testing.assert_close(match_low_band(crop + 0.15, crop, 8.0), crop, atol=1e-5, rtol=0)
    matched = match_low_band(crop + shading, crop, 8.0)
    torch.testing.assert_close(matched[..., 40:-40], crop[..., 40:-40], atol=1e-4, rtol=0)
    other = colorful(seed=1)
    low = gaussian_blur(match_low_band(crop, other, 8.0) - other, 24.0)
    assert low.abs().mean() < 0.01


def test_mean_and_deviation_become_the_references_within_the_mask():
    crop, reference = colorful() * 0.5, colorful(seed=2)
    mask = torch.zeros(1, 1, 192, 192)
    mask[..., 30:150, 50:120] = 1
    matched = match_mean_std(crop, reference, mask)
    for got, wanted in zip(matched[0, :, 30:150, 50:120], reference[0, :, 30:150, 50:120], strict=True):
        assert float(got.mean()) == pytest.approx(float(wanted.mean()), abs=1e-4)
        assert float(got.std()) == pytest.approx(float(wanted.std()), rel=1e-3)


def test_a_flat_crop_gets_the_mean_and_no_noise():
    flat = torch.full((1, 3, 16, 16), 0.3)
    torch.testing.assert_close(match_mean_std(flat, torch.full_like(flat, 0.6)), torch.full_like(flat, 0.6))

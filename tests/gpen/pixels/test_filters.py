"""Shared filters."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.pixels import filters
from gpen_blocks.gpen.pixels.filters import box_mean, gaussian_blur


def test_an_impulse_becomes_the_gaussian():
    """Weight 1, the variance asked for, alike in both directions."""
    image = torch.zeros(1, 1, 65, 65)
    image[..., 32, 32] = 1
    blurred = gaussian_blur(image, 3.0)[0, 0]
    offsets = torch.arange(65) - 32.0
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    assert float((blurred.sum(dim=0) * offsets**2).sum()) == pytest.approx(9, rel=0.01)
    torch.testing.assert_close(blurred, blurred.T)


@pytest.mark.parametrize("sigma", [0.7, 5.0])
def test_the_border_is_a_mirror(sigma):
    """Blurring a picture equals blurring it among its mirror images, also where the kernel is longer than it."""
    image = torch.rand(1, 1, 12, 20)
    padded = torch.from_numpy(np.pad(image.numpy(), ((0, 0), (0, 0), (30, 30), (30, 30)), mode="symmetric"))
    expected = gaussian_blur(padded, sigma)[..., 30:-30, 30:-30]
    torch.testing.assert_close(gaussian_blur(image, sigma), expected, atol=1e-5, rtol=0)


def test_no_width_changes_nothing():
    image = torch.rand(1, 3, 4, 4)
    assert gaussian_blur(image, 0) is image


@pytest.mark.parametrize(
    "shape, radius", [((2, 3, 40, 53), 3), ((1, 1, 5, 4), 3), ((1, 3, 1, 1), 2), ((0, 3, 9, 9), 1)]
)
@pytest.mark.parametrize("strip", [1, 200, 1 << 17])
def test_the_box_averages_the_pixels_there_are(shape, radius, strip, monkeypatch):
    monkeypatch.setattr(filters, "_STRIP", strip)
    images = torch.rand(shape)
    window = torch.ones(1, 1, 2 * radius + 1, 2 * radius + 1)
    sums = F.conv2d(images.flatten(0, 1)[:, None], window, padding=radius).view(shape)
    counts = F.conv2d(torch.ones(1, 1, *shape[2:]), window, padding=radius)
    torch.testing.assert_close(box_mean(images, radius), sums / counts, atol=1e-6, rtol=0)

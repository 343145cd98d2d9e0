"""Shared filters."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.pixels import filters
from gpen_blocks.gpen.pixels.filters import (
    box_mean,
    gaussian_blur,
    hann_window,
    kernel_reach,
    mirrored_index,
    robust_deviation,
    smoothstep,
    taper,
)


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


@pytest.mark.parametrize(("size", "sigma"), [((300, 41), 0.6), ((129, 700), 3.0), ((1100, 70), 8.0)])
def test_blocks_of_rows_join_to_the_blur_by_the_whole_matrix(size, sigma):
    """A large side is blurred a block at a time: the same within rounding as one product with the kernel's matrix."""
    image = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    rows, columns = (filters._mirrored_matrix(side, sigma).float() for side in size)
    torch.testing.assert_close(gaussian_blur(image, sigma), rows @ image @ columns.T, atol=2e-6, rtol=0)
    double = gaussian_blur(image.double(), sigma)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), gaussian_blur(image, sigma), atol=2e-6, rtol=0)


def test_a_blur_in_inference_mode_leaves_matrices_that_gradients_can_use():
    """They are kept for the next call, which may be one of training."""
    for size in (24, 400):
        with torch.inference_mode():
            gaussian_blur(torch.rand(1, 1, size, size), 1.25)
        image = torch.rand(1, 1, size, size, requires_grad=True)
        gaussian_blur(image, 1.25).sum().backward()
        assert image.grad is not None
        torch.testing.assert_close(image.grad, torch.ones_like(image), atol=1e-4, rtol=0)


def test_no_width_changes_nothing():
    image = torch.rand(1, 3, 4, 4)
    assert gaussian_blur(image, 0) is image
    assert gaussian_blur(image, 0.1) is image
    assert (kernel_reach(0.1), kernel_reach(0.3), kernel_reach(2.0)) == (0, 1, 8)


def test_the_window_is_symmetric_and_never_0():
    torch.testing.assert_close(hann_window(4), torch.tensor([0.146447, 0.853553, 0.853553, 0.146447]))
    assert hann_window(1).tolist() == [1.0]


def test_under_its_window_a_flat_piece_is_nothing():
    window = hann_window(8)[:, None] * hann_window(8)
    pieces = torch.stack([torch.full((8, 8), 0.7), torch.arange(64.0).view(8, 8)])
    seen = taper(pieces, window)
    assert float(seen[0].abs().max()) < 1e-6
    assert float(seen[1].abs().max()) > 1
    torch.testing.assert_close(seen.sum(dim=(1, 2)), torch.zeros(2), atol=1e-3, rtol=0)


def test_positions_beyond_an_end_are_mirrored_again_and_again():
    assert mirrored_index(torch.arange(-7, 8), 3).tolist() == [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.7, 8.0])
@pytest.mark.parametrize("size", [(90, 120), (300, 41), (3, 200)])
def test_opencv_and_matrices_blur_alike(size, sigma):
    """Pictures without gradients, also with the channels of a pixel side by side, and pictures with them."""
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(3))
    blurred = gaussian_blur(images, sigma)
    by_matrices = gaussian_blur(images.clone().requires_grad_(), sigma)
    torch.testing.assert_close(blurred, by_matrices.detach(), atol=2e-6, rtol=0)
    torch.testing.assert_close(gaussian_blur(images.contiguous(memory_format=torch.channels_last), sigma), blurred)
    torch.testing.assert_close(gaussian_blur(images.double(), sigma).float(), blurred, atol=2e-6, rtol=0)


def test_arrays_and_tensors_step_alike():
    x = np.linspace(-1, 3, 9)
    torch.testing.assert_close(torch.from_numpy(smoothstep(x, 0.0, 2.0)), smoothstep(torch.from_numpy(x), 0.0, 2.0))
    assert smoothstep(x, 0.0, 2.0)[[0, 2, 4, 6, 8]].tolist() == [0, 0, 0.5, 1, 1]


def test_a_few_outliers_do_not_change_the_deviation():
    values = 0.2 * torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0))
    values[1, :200] = 50
    torch.testing.assert_close(robust_deviation(values, 1), torch.tensor([0.2, 0.2]), atol=0.005, rtol=0)


@pytest.mark.parametrize(
    "shape, radius", [((2, 3, 40, 53), 3), ((1, 1, 5, 4), 3), ((1, 3, 1, 1), 2), ((0, 3, 9, 9), 1)]
)
@pytest.mark.parametrize("taught", [False, True])
def test_the_box_averages_the_pixels_there_are(shape, radius, taught):
    """By OpenCV, and by torch where gradients are wanted."""
    images = torch.rand(shape, requires_grad=taught)
    window = torch.ones(1, 1, 2 * radius + 1, 2 * radius + 1)
    sums = F.conv2d(images.flatten(0, 1)[:, None], window, padding=radius).view(shape)
    counts = F.conv2d(torch.ones(1, 1, *shape[2:]), window, padding=radius)
    torch.testing.assert_close(box_mean(images, radius), sums / counts, atol=1e-6, rtol=0)

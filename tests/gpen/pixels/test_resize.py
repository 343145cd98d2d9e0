"""Resizing with anti-aliasing."""

import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.pixels.resize import _resize_whole, resize


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize(
    ("size", "made"),
    [
        ((200, 301), (64, 64)),
        ((300, 170), (8, 9)),
        ((40, 64), (171, 256)),
        ((90, 40), (30, 120)),
        ((5, 7), (1, 1)),
        ((1, 1), (3, 2)),
        ((33, 33), (33, 33)),
    ],
)
def test_it_gives_what_torch_gives(mode, size, made):
    """Reduced, enlarged, one of each, and down to a single pixel."""
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    expected = F.interpolate(images, made, mode=mode, antialias=True)
    torch.testing.assert_close(resize(images, made, mode), expected, atol=2e-5, rtol=0)
    torch.testing.assert_close(_resize_whole(images, made, mode), expected, atol=2e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_a_gpu_reduces_as_far_as_a_cpu(mode):
    images = torch.rand(1, 3, 1200, 900, generator=torch.Generator().manual_seed(3))
    reduced = resize(images.cuda(), (8, 8), mode)
    torch.testing.assert_close(reduced.cpu(), resize(images, (8, 8), mode), atol=2e-5, rtol=0)


def test_every_layout_gives_the_same():
    """Planes, channels side by side, a part of either, one channel, and double precision."""
    planes = torch.rand(1, 3, 120, 90, generator=torch.Generator().manual_seed(2))
    pixels = planes.contiguous(memory_format=torch.channels_last)
    for images in (planes, pixels):
        part = images[:, :, 10:101, 7:80]
        expected = F.interpolate(part.contiguous(), (31, 20), mode="bicubic", antialias=True)
        torch.testing.assert_close(resize(part, (31, 20)), expected, atol=2e-5, rtol=0)
        torch.testing.assert_close(resize(part[:, 1:2], (31, 20)), expected[:, 1:2], atol=2e-5, rtol=0)
    double = resize(planes.double(), (31, 20))
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), resize(planes, (31, 20)), atol=2e-5, rtol=0)


def test_gradients_pass():
    """Training crops faces of pictures that it degrades."""
    images = torch.rand(1, 1, 20, 20, requires_grad=True)
    resize(images, (5, 5)).sum().backward()
    assert images.grad is not None
    torch.testing.assert_close(float(images.grad.sum()), 25.0, atol=1e-3, rtol=0)

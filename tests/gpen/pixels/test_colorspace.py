"""sRGB, linear light and CIELAB."""

import pytest
import torch

from gpen_blocks.gpen.pixels.colorspace import lab_to_linear, linear_to_lab, linear_to_srgb, luminance, srgb_to_linear


def test_the_curve_is_that_of_the_standard():
    """Values of IEC 61966-2-1, and the way back, also on the straight piece near black."""
    encoded = torch.tensor([0.0, 0.02, 0.04045, 0.5, 1.0])
    linear = torch.tensor([0.0, 0.00154799, 0.00313080, 0.21404114, 1.0])
    torch.testing.assert_close(srgb_to_linear(encoded), linear, atol=1e-7, rtol=1e-5)
    steps = torch.linspace(0, 1, 1001)
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(steps)), steps, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
)
def test_primaries_have_their_published_lab(rgb, lab):
    found = linear_to_lab(torch.tensor(rgb).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(found, torch.tensor(lab), atol=0.05, rtol=0)


def test_lab_and_back_is_the_same_color():
    linear = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(lab_to_linear(linear_to_lab(linear)), linear, atol=2e-6, rtol=0)


def test_grey_has_no_offset():
    """Not 128, as 8-bit CIELAB has it, and no colour; its luminance is its value."""
    grey = torch.linspace(0, 1, 101).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    assert linear_to_lab(grey)[:, 1:].abs().max() < 1e-3
    torch.testing.assert_close(luminance(grey), grey[:, :1])

"""The light softening at the end, and grain matched to a reference."""

import math

import pytest
import torch

from gpen_blocks.gpen.detail.finish import finish, match_grain
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.pixels.filters import gaussian_blur


def noise(seed: int = 0, size: tuple[int, int] = (64, 80), count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigma", [0.3, 0.6, 2.0, 8.0])
def test_it_is_the_blend_with_the_gaussian(sigma):
    """(1 - mix) x + mix G(x), with the package's own Gaussian and its mirrored borders."""
    picture = noise()
    expected = 0.7 * picture + 0.3 * gaussian_blur(picture, sigma)
    torch.testing.assert_close(finish(picture, sigma, 0.3), expected, atol=2e-5, rtol=0)


def test_the_articles_setting_changes_less_than_a_grey_level():
    """On the strongest contrast there is; but it does change something, which 8 bits would have lost."""
    checkers = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).float().expand(1, 3, 64, 64)
    change = (finish(checkers, 0.3, 0.2) - checkers).abs().max()
    assert 0.5 / 255 < float(change) < 1 / 255
    assert float((finish(checkers, 0.6, 0.2) - checkers).abs().max()) > 10 / 255


@pytest.mark.parametrize(("sigma", "mix"), [(0, 0.2), (0.6, 0), (0.1, 1)])
def test_nothing_to_do_keeps_every_bit(sigma, mix):
    picture = noise()
    assert finish(picture, sigma, mix) is picture


def test_a_mask_keeps_the_rest_to_the_bit():
    """Nothing where it is 0, all where it is 1, half where it is a half; grey stays grey in a picture of odd size."""
    picture, mask = noise(size=(63, 81)), torch.zeros(1, 1, 63, 81)
    mask[..., 20:40], mask[..., 40:] = 0.5, 1
    whole, result = finish(picture), finish(picture, mask=mask)
    assert torch.equal(result[..., :20], picture[..., :20])
    torch.testing.assert_close(result[..., 40:], whole[..., 40:], atol=1e-6, rtol=0)
    torch.testing.assert_close(result[..., 20:40], (picture + whole)[..., 20:40] / 2, atol=1e-6, rtol=0)
    grey = finish(picture[:, :1].repeat(1, 3, 1, 1), mask=0.3 * mask + 0.1)
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])


def test_grey_and_flat_pictures_stay_so():
    """Equal channels to the bit; a flat picture to single precision; nothing leaves 0..1."""
    grey = noise()[:, :1].repeat(1, 3, 1, 1)
    for picture in (grey, noise(size=(501, 377))[:, :1].repeat(1, 3, 1, 1)):
        result = finish(picture, 2.0)
        assert torch.equal(result[:, 0], result[:, 1])
        assert torch.equal(result[:, 0], result[:, 2])
    for value in (0.0, 0.3, 1.0):
        flat = torch.full((1, 3, 20, 20), value)
        torch.testing.assert_close(finish(flat, 1.0, 1.0), flat, atol=3e-7, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (700, 3)])
def test_small_and_narrow_pictures_are_mirrored_often_enough(size):
    picture = noise(size=size)
    torch.testing.assert_close(finish(picture, 3.0, 1.0), gaussian_blur(picture, 3.0), atol=2e-5, rtol=0)


def test_strips_join_without_a_seam():
    """A picture above the strip size equals its parts worked on with their surroundings."""
    picture = noise(size=(2100, 1000))
    part = finish(picture[..., 1900:2100, :], 1.5, 0.5)
    torch.testing.assert_close(finish(picture, 1.5, 0.5)[..., 1950:2050, :], part[..., 50:150, :], atol=1e-6, rtol=0)


def test_a_batch_is_its_pictures():
    batch = noise(count=3)
    assert torch.equal(finish(batch)[1:2], finish(batch[1:2]))


def test_grain_of_the_reference_is_laid_on():
    """As strong as the reference's within 15 %, by its share at half the amount, and none where it is there already."""
    generator = torch.Generator().manual_seed(2)
    smooth = torch.full((1, 3, 160, 160), 0.5)
    grainy = smooth + 0.04 * torch.randn(smooth.shape, generator=generator)
    result = match_grain(smooth, grainy)
    assert float(result.std()) == pytest.approx(0.04, rel=0.15)
    assert float(match_grain(smooth, grainy, 0.5).std()) == pytest.approx(0.5 * float(result.std()), rel=0.01)
    assert torch.equal(match_grain(grainy, grainy), grainy)
    assert match_grain(smooth, grainy, 0) is smooth
    assert torch.equal(match_grain(smooth, grainy), result)


def test_every_picture_of_a_batch_has_grain_of_its_own():
    """Equal pictures get different grain, the first one what it would get alone."""
    reference = (0.5 + 0.05 * torch.randn(1, 3, 160, 160)).repeat(2, 1, 1, 1)
    flat = torch.full_like(reference, 0.5)
    both = match_grain(flat, reference)
    assert both[0].std() > 0.02 and (both[0] - both[1]).std() > 0.02
    assert torch.equal(both[:1], match_grain(flat[:1], reference[:1]))


def test_grain_keeps_to_its_mask():
    smooth = torch.full((2, 3, 120, 120), 0.5)
    grainy = smooth + 0.04 * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(2))
    mask = torch.zeros(2, 1, 120, 120)
    mask[..., 60:] = 1
    result = match_grain(smooth, grainy, mask=mask)
    assert torch.equal(result[..., :60], smooth[..., :60])
    assert float(result[..., 60:].std()) > 0.03
    assert not torch.equal(result[0], result[1])
    assert torch.equal(match_grain(smooth, grainy), match_grain(smooth, grainy, mask=torch.ones_like(mask)))
    assert smooth.min() == smooth.max() == 0.5


def test_unusable_arguments_are_refused():
    picture = noise()
    for sigma, mix, name in ((-1, 0.2, "sigma"), (9, 0.2, "sigma"), (math.nan, 0.2, "sigma"), (0.6, 1.1, "mix")):
        with pytest.raises(SettingsError, match=name):
            finish(picture, sigma, mix)
    with pytest.raises(ImageError, match="mask"):
        finish(picture, mask=torch.ones(1, 1, 2, 2))
    with pytest.raises(SettingsError, match="amount"):
        match_grain(picture, picture, 2)
    with pytest.raises(ImageError, match="reference"):
        match_grain(picture, picture[..., 1:])
    with pytest.raises(ImageError, match="mask"):
        match_grain(picture, picture, mask=torch.ones(1, 1, 2, 2))
    with pytest.raises(ImageError, match="Reference images contain NaN"):
        match_grain(picture, picture * math.nan)
    with pytest.raises(ImageError, match="B x 3 x H x W"):
        finish(picture[:, :2])

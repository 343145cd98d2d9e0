"""Casts found and taken off, and pictures that must keep their colour."""

import math

import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.photograph.white_balance import lab_balance, shades_of_grey
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.colorspace import linear_to_lab, linear_to_srgb, luminance, srgb_to_linear

BALANCES = [shades_of_grey, lab_balance]


def neutral(seed: int = 0, side: int = 96) -> torch.Tensor:
    """Grey on average, with patches of every colour, none of them near black or clipped."""
    generator = torch.Generator().manual_seed(seed)
    grey = torch.rand(1, 1, 12, 12, generator=generator)
    color = torch.rand(1, 3, 12, 12, generator=generator) - 0.5
    color = color - color.mean(dim=(1, 2, 3), keepdim=True)
    coarse = 0.45 + 0.4 * (grey - 0.5) + 0.12 * color
    return F.interpolate(coarse, (side, side), mode="bilinear").clamp(0.1, 0.9)


def cast(images: torch.Tensor, *gains: float) -> torch.Tensor:
    return linear_to_srgb(srgb_to_linear(images) * torch.tensor(gains).view(1, 3, 1, 1)).clamp(0, 1)


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean Delta E (CIE 1976)."""
    lab = linear_to_lab(srgb_to_linear(one)) - linear_to_lab(srgb_to_linear(other))
    return float(lab.norm(dim=1).mean())


@pytest.mark.parametrize("gains", [(1.2, 1.0, 0.7), (0.8, 1.05, 1.1), (0.9, 1.15, 0.95)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_known_cast_is_taken_off_by_gains(gains, seed):
    """Shades of grey finds the gains within 5 % and brings the picture back to within 2.5 Delta E of the one before."""
    before = neutral(seed)
    spoilt = cast(before, *gains)
    balanced, (found,) = shades_of_grey(spoilt)
    inverse = torch.tensor(found.gains) * torch.tensor(gains)
    assert float((inverse / inverse.mean() - 1).abs().max()) < 0.05
    assert difference(spoilt, before) > 5
    assert difference(balanced, before) < 2.5
    assert found.removed == 1
    assert found.size > 5


@pytest.mark.parametrize("balance", BALANCES)
def test_a_grey_card_under_a_cast_becomes_grey(balance):
    """Where half the picture is grey, it is grey within 2 Delta E afterwards, as bright as before."""
    picture = neutral()
    picture[..., :60] = torch.linspace(0.3, 0.7, 96).view(1, 1, -1, 1)
    spoilt = cast(picture, 1.15, 1.0, 0.75)
    balanced, _ = balance(spoilt)
    lab, before = (linear_to_lab(srgb_to_linear(x[..., :56])) for x in (balanced, spoilt))
    assert float(lab[:, 1:].norm(dim=1).mean()) < 2
    assert float((lab[:, 0] - before[:, 0]).abs().mean()) < 1.5


@pytest.mark.parametrize("balance", BALANCES)
def test_the_mean_luminance_stays(balance):
    spoilt = cast(neutral(), 1.2, 1.0, 0.7)
    balanced, _ = balance(spoilt)
    before, after = (float(luminance(srgb_to_linear(x)).mean()) for x in (spoilt, balanced))
    assert after == pytest.approx(before, rel=0.005)


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("tone", [(1.0, 1.0, 1.0), (0.8, 1.0, 1.3)])
def test_monochrome_photographs_keep_every_bit(balance, tone):
    """Neutral or sepia: the tone is the photograph's own, and the report says why nothing was done."""
    toned = torch.cat([luma(neutral()) ** power for power in tone], dim=1)
    result, (found,) = balance(toned)
    assert result is toned
    assert found.monochrome
    assert found.removed == 0


def test_the_solvay_photograph_stays_black_and_white(shared):
    pixels = read_picture(shared / "data" / "real" / "Solvay_conference_1927.png").pixels
    assert shades_of_grey(pixels)[0] is pixels


@pytest.mark.parametrize("balance", BALANCES)
def test_the_shift_is_capped(balance):
    """A picture full of one colour is moved by 20 Delta E at most, and the report says how much of it that was."""
    orange = cast(neutral(), 1.6, 0.9, 0.2)
    result, (found,) = balance(orange)
    assert found.size > 30
    assert found.removed == pytest.approx(20 / found.size)
    assert 10 < difference(result, orange) < 25


@pytest.mark.parametrize("balance", BALANCES)
def test_black_and_blown_out_white_take_no_color(balance):
    """Neither is judged by, and neither is changed: a clipped window stays white, a shadow stays black."""
    spoilt = cast(neutral(), 1.2, 1.0, 0.7)
    alone = balance(spoilt)[1][0]
    padded = F.pad(F.pad(spoilt, (0, 40), value=1.0), (40, 0), value=0.0)
    result, (found,) = balance(padded)
    assert (found.a, found.b) == pytest.approx((alone.a, alone.b), abs=1e-3)
    assert found.judged == pytest.approx(96 / 176, abs=1e-6)
    assert torch.equal(result[..., :40], padded[..., :40])
    assert torch.equal(result[..., -40:], padded[..., -40:])


@pytest.mark.parametrize("balance", BALANCES)
def test_a_balanced_picture_keeps_every_bit(balance):
    """What cannot be seen is not corrected."""
    grey = 0.5 + 0.2 * (torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(4)) - 0.5)
    picture = grey.repeat(1, 3, 1, 1)
    for channel in range(3):
        picture[:, channel, 32 * channel : 32 * channel + 20, :20] += 0.12
    result, (found,) = balance(picture)
    assert not found.monochrome
    assert found.size < 1
    assert result is picture


@pytest.mark.parametrize("balance", BALANCES)
def test_a_batch_is_its_pictures(balance):
    """Each picture is judged on its own, a black-and-white one among colour ones too."""
    pictures = [cast(neutral(1), 1.2, 1.0, 0.7), luma(neutral(2)).repeat(1, 3, 1, 1), cast(neutral(3), 0.8, 1.0, 1.1)]
    batch, found = balance(torch.cat(pictures))
    for n, picture in enumerate(pictures):
        alone, (cast_alone,) = balance(picture)
        assert torch.equal(batch[n : n + 1], alone)
        assert found[n] == cast_alone


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (3, 700)])
def test_pictures_without_anything_to_judge_stay(balance, value, size):
    picture = torch.full((1, 3, *size), value)
    assert balance(picture)[0] is picture


@pytest.mark.slow
def test_a_large_picture_is_worked_on_in_strips():
    """The rows of a picture above the strip size get the same gains."""
    spoilt = F.interpolate(cast(neutral(), 1.2, 1.0, 0.7), (1600, 1500), mode="bilinear")
    balanced, (found,) = shades_of_grey(spoilt)
    expected = linear_to_srgb(srgb_to_linear(spoilt) * torch.tensor(found.gains).view(1, 3, 1, 1)).clamp(0, 1)
    torch.testing.assert_close(balanced, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("balance", BALANCES)
def test_unusable_arguments_are_refused(balance):
    picture = neutral()
    with pytest.raises(ImageError, match="B x 3 x H x W"):
        balance(picture[:, :1])
    picture[0, 0, 0, 0] = math.nan
    with pytest.raises(ImageError, match="NaN"):
        balance(picture)


def test_gradients_are_not_asked_for():
    spoilt = cast(neutral(), 1.2, 1.0, 0.7).requires_grad_()
    assert not shades_of_grey(spoilt)[0].requires_grad

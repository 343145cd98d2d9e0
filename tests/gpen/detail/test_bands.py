"""The frequency blend: what the photograph keeps, what the restored face gives, and what noise may not do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.spectrum.crossover import SIGMA_PER_PERIOD, meeting_point
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur

# One grey level of 8 bits.
LEVEL = 1 / 255


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    """A sharp face, 1 x 3 x 256 x 256."""
    picture = Image.open(examples / "portrait.png").convert("RGB").crop((100, 0, 356, 256))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


def noisy(images: torch.Tensor, deviation: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return (images + deviation * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def low(images: torch.Tensor, cutoff: float) -> torch.Tensor:
    return gaussian_blur(images, SIGMA_PER_PERIOD / cutoff)


def test_noise_above_the_cutoff_goes_from_a_half_on(portrait):
    """It stays at 0 and is halved at a quarter, where the restored face has none."""
    base = noisy(portrait, 0.1)
    left = []
    for amount in (0.0, 0.25, 0.5, 1.0):
        rest = blend(base, portrait, denoise=amount) - blend(base, portrait, denoise=1.0)
        left.append(float((rest - gaussian_blur(rest, 1.0))[..., 64:192, 64:192].std()))
    own = base - gaussian_blur(base, 1.0)
    assert left[0] > 0.5 * float(own[..., 64:192, 64:192].std())
    assert left[1] == pytest.approx(left[0] / 2, rel=0.2)
    assert left[2] < 0.1 * left[0] and left[3] == 0


def error(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b) ** 2).mean())


@pytest.mark.parametrize("cutoff", [None, 0.05, 0.2])
def test_a_picture_blended_with_itself_is_itself(portrait, cutoff):
    assert (blend(portrait, portrait, cutoff) - portrait).abs().max() < 1e-6


def test_the_ends_of_the_scale_are_the_two_pictures(portrait):
    other = portrait.flip(-1)
    torch.testing.assert_close(blend(portrait, other, 0.5), portrait, atol=1e-6, rtol=0)
    torch.testing.assert_close(blend(portrait, other, 0.0), other, atol=1e-6, rtol=0)


def test_the_low_band_is_the_bases(portrait):
    """Light, contrast and colour stay the photograph's, whatever the restored face has made of them."""
    smooth = 0.25 + gaussian_blur(portrait, 24.0) / 2
    other = (0.6 * smooth + 0.2) * torch.tensor([1.1, 1.0, 0.8]).view(1, 3, 1, 1)
    texture = 0.1 * torch.sin(2 * math.pi * torch.arange(256) / 4)
    blended = blend(smooth, other + texture, 0.06)
    assert (low(blended, 0.06) - low(smooth, 0.06))[..., 20:-20].abs().max() < LEVEL
    assert (blended - blended.roll(2, dims=-1))[..., 20:-20].abs().amax() > 0.19


def test_without_detail_the_low_band_is_left(portrait):
    nothing = blend(portrait, portrait.flip(-1), 0.05, middle_gain=0, high_gain=0)
    torch.testing.assert_close(nothing, low(portrait, 0.05).clamp(0, 1), atol=1e-5, rtol=0)


def test_gains_raise_their_band(portrait):
    middle = blend(portrait, portrait, 0.05, middle_gain=1.5) - portrait
    high = blend(portrait, portrait, 0.05, high_gain=1.5) - portrait
    # Detail to three times the cut-off, and detail above, seen at a frequency well within each.
    assert low(middle, 0.12).std() > 3 * low(high, 0.12).std() > 0
    fine_of = [change - low(change, 0.25) for change in (middle, high)]
    assert fine_of[1].std() > 3 * fine_of[0].std()


def test_a_part_gain_acts_where_it_is(portrait):
    gain = torch.ones(1, 1, 256, 256)
    gain[..., :128] = 2.0
    change = blend(portrait, portrait, 0.1, part_gain=gain) - portrait
    assert change[..., 128:].abs().max() < 1e-6 and change[..., :128].abs().max() > 0.05


def test_a_step_that_both_have_does_not_ring():
    step = torch.full((1, 3, 128, 128), 0.2)
    step[..., 64:] = 0.8
    soft = gaussian_blur(step, 4.0)
    for base, detail in ((step, step), (soft, step)):
        blended = blend(base, detail, 0.04)
        assert blended.max() <= 0.8 + LEVEL or base is soft
        assert (blended - step).abs().max() < LEVEL or base is soft
    # Where the base is soft, the band between its blur and the cut-off is missing, but nothing swings.
    profile = blend(soft, step, 0.02)[0, 0, 64]
    assert (profile.diff() > -LEVEL).sum() >= 126


@pytest.mark.parametrize("deviation", [10, 25])
def test_noise_does_not_come_back(portrait, deviation):
    """The photograph's low band is given back without the noise in it, where a cut-off by hand gives both."""
    base = noisy(portrait, deviation * LEVEL)
    clean = gaussian_blur(portrait, 1.0)
    restored = (clean - 0.5) * 0.9 + 0.47
    blended = blend(base, restored)
    assert error(blended, portrait) < min(error(base, portrait), error(restored, portrait))
    limit = float(meeting_point(base, restored).cutoff[0, 0])
    by_hand, quiet = blend(base, restored, limit), blend(portrait, restored, limit)
    assert (blended - quiet).std() < 0.85 * (by_hand - quiet).std()


def test_the_cut_off_follows_the_blur(portrait):
    """The more a photograph is blurred, the more the restored face gives."""
    cutoffs, blurs = [], []
    for sigma in (1.5, 3.0, 5.0):
        meeting = meeting_point(gaussian_blur(portrait, sigma), portrait)
        cutoffs.append(float(meeting.cutoff[0, 0]))
        blurs.append(float(meeting.blur[0]))
        assert 0.6 < cutoffs[-1] * sigma / 0.2415 < 1.4
        assert 0.6 < blurs[-1] / sigma < 1.4
    assert cutoffs == sorted(cutoffs, reverse=True)


def test_deblurring_gives_contrast_back(portrait):
    base = gaussian_blur(portrait, 3.0)
    plain, half, whole = (blend(base, portrait, deblur=amount) for amount in (0.0, 0.5, 1.0))
    assert error(whole, portrait) < error(half, portrait) < error(plain, portrait) < error(base, portrait)


def test_black_and_white_stays_so(portrait):
    gray = luma(portrait).expand(-1, 3, -1, -1).contiguous()
    blended = blend(gaussian_blur(gray, 2.0), portrait)
    assert (blended[:, :1] == blended).all()
    colours = blend(gaussian_blur(gray, 2.0), portrait, keep_grayscale=False)
    assert (colours[:, :1] - colours).abs().max() > 0.05


def test_pictures_of_a_batch_do_not_mix(portrait):
    bases = torch.cat([gaussian_blur(portrait, 2.0), noisy(portrait, 0.05)])
    details = torch.cat([portrait, portrait.flip(-1)])
    together = blend(bases, details, deblur=0.5)
    for index in range(2):
        alone = blend(bases[index : index + 1], details[index : index + 1], deblur=0.5)
        torch.testing.assert_close(together[index : index + 1], alone)


def test_a_base_of_another_size_is_resized(portrait):
    small = torch.nn.functional.interpolate(portrait, (128, 128), mode="area")
    blended = blend(small, portrait)
    assert blended.shape == portrait.shape and error(blended, portrait) < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 40)])
def test_tiny_and_flat_pictures_are_no_trouble(size):
    flat = torch.full((2, 3, *size), 0.4)
    assert (blend(flat, flat, deblur=1.0) - flat).abs().max() < 1e-6
    assert torch.isfinite(blend(flat, torch.rand(2, 3, *size), deblur=1.0)).all()
    assert blend(flat[:0], flat[:0]).shape == (0, 3, *size)


def test_what_does_not_fit_is_said(portrait):
    with pytest.raises(ImageError, match="same shape"):
        blend(portrait, torch.cat([portrait, portrait]))
    with pytest.raises(ImageError, match="NaN"):
        blend(portrait * math.nan, portrait)
    wrong: tuple[dict[str, Any], ...] = ({"cutoff": 0.6}, {"middle_gain": -1}, {"high_gain": 5}, {"deblur": 2})
    for numbers in wrong:
        with pytest.raises(SettingsError, match="must lie between"):
            blend(portrait, portrait, **numbers)
    with pytest.raises(SettingsError, match="one for each"):
        blend(portrait, portrait, torch.tensor([0.1, 0.2, 0.3]))


def test_official_results_keep_the_photographs_light(shared):
    """On GPEN's own results the low band moves by grey levels; blended, by a fraction of one."""
    folder = shared / "data" / "real" / "solvay_official"
    for number in (0, 9, 19):
        pair = np.asarray(Image.open(folder / f"Solvay_conference_1927_face{number:02d}.jpg").convert("RGB"))
        pair = torch.from_numpy(pair.copy()).permute(2, 0, 1)[None].float() / 255
        base, plain = pair[..., :512], pair[..., 512:]
        # An octave below the split, where nothing of the detail is left.
        limit = float(meeting_point(base, plain).cutoff[0, 0]) / 2
        moved = [
            float((low(luma(result), limit) - low(luma(base), limit)).abs().mean()) / LEVEL
            for result in (plain, blend(base, plain))
        ]
        assert moved[0] > 3 and moved[1] < 0.7


def octave(images: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """The band of luma between two frequencies in cycles per pixel."""
    gray = luma(images)
    size = gray.shape[-2:]
    frequency = torch.hypot(torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1]))
    return torch.fft.irfft2(torch.fft.rfft2(gray) * ((frequency >= low) & (frequency < high)), s=size)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_detail_that_the_network_smoothed_away_stays(portrait, sigma):
    """Where a sharp photograph and the restored face disagree, the photograph is right, up to the finest octave."""
    blended = blend(portrait, noisy(gaussian_blur(portrait, sigma), 4 * LEVEL), deblur=0.5)
    for low, high in ((1 / 4, 1.0), (1 / 8, 1 / 4), (1 / 16, 1 / 8)):
        own, kept = octave(portrait, low, high), octave(blended, low, high)
        assert float((kept**2).sum() / (own**2).sum()) == pytest.approx(1, abs=0.07)
        assert float((kept * own).sum() / (own.norm() * kept.norm())) > 0.97


def test_a_clean_photographs_cut_off_does_not_ask_the_network(portrait):
    base = gaussian_blur(portrait, 0.8)
    cutoffs = [meeting_point(base, detail).cutoff[0, 0] for detail in (portrait, gaussian_blur(portrait, 4.0))]
    assert cutoffs[0] > 0.15 and abs(cutoffs[0] - cutoffs[1]) < 0.03


def test_denoise_takes_as_much_as_it_says(portrait):
    base = noisy(portrait, 12 * LEVEL)
    restored = gaussian_blur(portrait, 1.5)
    errors = [error(blend(base, restored, denoise=amount), portrait) for amount in (0.0, 0.5, 1.0)]
    assert errors[0] > errors[1] and errors[0] > errors[2]
    untouched = blend(portrait, restored, denoise=1.0)
    assert error(untouched, portrait) < 0.1 * errors[2]


def test_a_bad_jpeg_is_believed_less(portrait):
    restored = noisy(gaussian_blur(portrait, 1.0), 8 * LEVEL)
    good, bad = (float(meeting_point(portrait, restored, [quality]).cutoff[0, 0]) for quality in (90, 20))
    assert bad < good == 0.5

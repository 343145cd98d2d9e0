"""Local adaptive enhancement: weak detail is raised; flat places, edges, glints and noise are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.detail.local_adaptive import enhance, noise_deviation
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.pixels.color import luma

LEVEL = 1 / 255
# All of a crop counts alike, so that tests need not look for eyes.
EVERYWHERE = dict.fromkeys(("eyes", "lips", "cheeks", "hairline", "skin", "hair"), 1.0)


def gray(plane: torch.Tensor) -> torch.Tensor:
    return plane.expand(1, 3, *plane.shape[-2:]).contiguous()


def texture(period: float, amplitude: float = 0.01, size: int = 512) -> torch.Tensor:
    """A weak wave in one direction, with the noise of a good photograph."""
    along = torch.arange(size) * 0.8
    wave = 0.5 + amplitude * torch.sin(2 * math.pi * (along + 0.75 * along[:, None]) / period)
    return gray(wave + 0.3 * LEVEL * torch.randn(wave.shape, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    picture = Image.open(examples / "portrait.png").convert("RGB").crop((100, 0, 356, 256)).resize((512, 512))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


def test_strength_0_changes_no_bit(portrait):
    enhanced, gain = enhance(portrait, 0.0)
    assert enhanced is portrait and gain.shape == (1, 512, 512) and not gain.any()


def test_a_flat_crop_stays_flat():
    flat = torch.full((1, 3, 256, 256), 0.5)
    enhanced, _ = enhance(flat, 2.0, part_strengths=EVERYWHERE)
    assert (enhanced == flat).all()


@pytest.mark.parametrize("period", [4, 6, 8])
def test_weak_texture_gains(period):
    crop = texture(period)
    enhanced, gain = enhance(crop, part_strengths=EVERYWHERE)
    raised = gain[0] > 0.5 * gain.max()
    assert raised.sum() > 1000
    assert 1.10 < enhanced[0, 0][raised].std() / crop[0, 0][raised].std() < 1.25


@pytest.mark.parametrize("height", [0.1, 0.3, 0.6])
def test_sharp_edges_stay(height):
    step = torch.full((512, 512), 0.2)
    step[:, 256:] += height
    step[:200] += torch.where(torch.arange(512) % 64 < 32, 0.15, 0.0)
    crop = gray(step)
    enhanced, _ = enhance(crop, part_strengths=EVERYWHERE)
    assert (enhanced - crop).abs().max() < 0.25 * LEVEL


def test_soft_highlights_stay():
    """Bright skin without an edge, and its surroundings: the same texture gains where it is darker."""
    wave = texture(8.0) - 0.5
    shade = torch.linspace(0.55, 1.0, 512)
    _, gain = enhance((shade + wave).clamp(0, 1), 1.0, part_strengths=EVERYWHERE)
    bright = int((shade < 0.93).sum())
    assert gain[0, 50:-50, bright:].max() == 0
    assert gain[0, 50:-50, 50:300].mean() > 0.1


def test_glints_stay():
    crop = torch.full((1, 3, 512, 512), 0.4)
    crop[..., 200:204, 160:164] = 1.0
    enhanced, _ = enhance(crop, part_strengths=EVERYWHERE)
    assert (enhanced - crop).abs().max() < 0.25 * LEVEL


@pytest.mark.parametrize("deviation", [2, 5, 10])
def test_noise_alone_is_not_raised(deviation):
    noise = torch.randn(512, 512, generator=torch.Generator().manual_seed(2))
    crop = gray(0.5 + deviation * LEVEL * noise)
    enhanced, _ = enhance(crop, part_strengths=EVERYWHERE)

    def gradient(images: torch.Tensor) -> float:
        return float(images.diff(dim=-1).abs().mean())

    assert gradient(enhanced) / gradient(crop) == pytest.approx(1.0, abs=0.02)
    assert float(noise_deviation(luma(crop))) == pytest.approx(deviation * LEVEL, rel=0.05)


def test_nothing_overshoots(portrait):
    """No pixel leaves the range of the 5 x 5 around it, at any strength."""
    enhanced, gain = enhance(portrait, 2.0, part_strengths=EVERYWHERE)
    assert gain.max() > 0.5
    before, after = luma(portrait), luma(enhanced)
    highest = torch.nn.functional.max_pool2d(before, 5, 1, 2)
    lowest = -torch.nn.functional.max_pool2d(-before, 5, 1, 2)
    assert (after <= highest + 1e-6).all() and (after >= lowest - 1e-6).all()
    assert (enhanced >= 0).all() and (enhanced <= 1).all()


def test_mirrored_in_mirrored_out(portrait):
    for flipped in (False, True):
        crop = texture(6) if flipped else portrait
        straight, gain = enhance(crop, 1.0)
        mirrored, mirrored_gain = enhance(crop.flip(-1), 1.0)
        # The template itself is not quite symmetric: its landmarks are those of a mean face.
        assert (mirrored.flip(-1) - straight).abs().max() < 0.02
        assert (mirrored_gain.flip(-1) - gain).abs().mean() < 0.02
    straight, _ = enhance(portrait, 1.0, part_strengths={})
    assert (straight == portrait).all()


def test_mirroring_is_exact_with_mirrored_landmarks(portrait):
    landmarks = np.array([[[180.0, 240], [330, 236], [256, 320], [196, 390], [320, 388]]])
    mirrored = (landmarks * [-1, 1] + [511, 0])[:, [1, 0, 2, 4, 3]]
    straight, _ = enhance(portrait, 1.0, landmarks)
    turned, _ = enhance(portrait.flip(-1), 1.0, mirrored)
    assert (turned.flip(-1) - straight).abs().max() < 2 * LEVEL
    assert (turned.flip(-1) - straight).abs().mean() < 0.02 * LEVEL


def test_parts_get_their_share():
    crop = texture(6)
    _, eyes = enhance(crop, 1.0, part_strengths={"eyes": 1.0})
    _, half = enhance(crop, 1.0, part_strengths={"eyes": 0.5})
    _, lips = enhance(crop, 1.0, part_strengths={"lips": 1.0})
    rows = torch.arange(512.0)[None, :, None]
    assert (eyes * rows).sum() / eyes.sum() < 256 < (lips * rows).sum() / lips.sum()
    torch.testing.assert_close(half, eyes / 2)


def test_grey_stays_grey_and_one_face_does_not_change_another(portrait):
    crops = torch.cat([texture(6), portrait])
    enhanced, gain = enhance(crops, 1.0, part_strengths=EVERYWHERE)
    assert (enhanced[0, :1] == enhanced[0]).all()
    alone, alone_gain = enhance(portrait, 1.0, part_strengths=EVERYWHERE)
    torch.testing.assert_close(enhanced[1:], alone)
    torch.testing.assert_close(gain[1:], alone_gain)


@pytest.mark.parametrize("size", [1, 2, 16, 64, 1024])
def test_every_size_works(size):
    crop = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(3))
    enhanced, gain = enhance(crop, 1.0, part_strengths=EVERYWHERE)
    assert enhanced.shape == crop.shape and torch.isfinite(enhanced).all() and gain.shape == (1, size, size)


def test_what_does_not_fit_is_said(portrait):
    with pytest.raises(ImageError, match="S x S"):
        enhance(portrait[..., :100])
    with pytest.raises(ImageError, match="NaN"):
        enhance(portrait * math.nan)
    with pytest.raises(ImageError, match="one set for each"):
        enhance(portrait, landmarks=np.zeros((2, 5, 2)))
    with pytest.raises(SettingsError, match="strength"):
        enhance(portrait, 3.0)
    with pytest.raises(SettingsError, match="eyes"):
        enhance(portrait, part_strengths={"eyes": 2.0})

"""Colour match and the tone of black-and-white photographs."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.detail.color import luma, match_low_band, match_mean_std, monochrome_tone
from gpen_blocks.gpen.detail.filters import gaussian_blur


def colorful(side: int = 192, seed: int = 0) -> torch.Tensor:
    """A smooth, colourful picture with some texture."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 7, generator=generator)
    texture = torch.rand(1, 1, side, side, generator=generator) - 0.5
    return (F.interpolate(coarse, (side, side), mode="bicubic") + 0.1 * texture).clamp(0, 1)


def gray(images: torch.Tensor) -> torch.Tensor:
    return luma(images).expand(-1, 3, -1, -1)


def sepia(images: torch.Tensor) -> torch.Tensor:
    return torch.cat([luma(images) ** power for power in (0.8, 1.0, 1.3)], dim=1)


def as_jpeg(images: torch.Tensor, quality: int) -> torch.Tensor:
    pixels = (images[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None].float() / 255


def read(path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255


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


@pytest.mark.parametrize("quality", [None, 30, 90])
def test_a_gray_picture_stays_gray_to_the_bit(quality):
    """Three equal channels come out equal whatever the network painted, and luma is kept."""
    picture = gray(colorful())
    tone = monochrome_tone(picture if quality is None else as_jpeg(picture, quality))
    assert tone is not None
    painted = colorful(seed=3)
    toned = tone.apply(painted)
    assert torch.equal(toned[:, 0], toned[:, 1])
    assert torch.equal(toned[:, 0], toned[:, 2])
    torch.testing.assert_close(luma(toned), luma(painted))


@pytest.mark.parametrize("quality", [None, 80])
def test_a_sepia_picture_stays_sepia(quality):
    """The tone is a curve, not one tint: shadows, middle tones and lights each keep theirs within 2/255."""
    picture = sepia(colorful())
    tone = monochrome_tone(picture if quality is None else as_jpeg(picture, quality))
    assert tone is not None
    assert (tone.apply(gray(picture)) - picture).abs().max() < (2 if quality is None else 12) / 255
    assert (tone.apply(gray(picture)) - picture).abs().mean() < 1.5 / 255


def test_a_noisy_scan_of_a_gray_print_is_monochrome():
    """Every channel has noise of its own, and the paper a slight cast."""
    scan = F.interpolate(gray(colorful()), scale_factor=3, mode="bilinear")
    noise = torch.randn(scan.shape, generator=torch.Generator().manual_seed(0)) * 6 / 255
    cast = torch.tensor([0.02, 0.0, -0.03]).view(1, 3, 1, 1)
    assert monochrome_tone((scan * 0.8 + 0.1 + noise + cast).clamp(0, 1)) is not None


def test_a_colour_photograph_has_no_tone():
    assert monochrome_tone(colorful()) is None
    assert monochrome_tone(as_jpeg(colorful(), 40)) is None


def test_a_small_coloured_thing_in_a_gray_scene_is_colour():
    """A face in a fog, a third of a percent of the picture: taking its colour away would be a loss."""
    scene = gray(colorful(512)).clone()
    scene[..., 100:130, 300:330] *= torch.tensor([1.0, 0.8, 0.7]).view(1, 3, 1, 1)
    assert monochrome_tone(scene) is None


def test_real_photographs_are_told_apart(shared):
    folder = shared / "data" / "real"
    tone = monochrome_tone(read(folder / "Solvay_conference_1927.png"))
    assert tone is not None
    assert not tone.offsets.any()
    assert monochrome_tone(read(folder / "10045.png")) is None
    assert monochrome_tone(read(folder / "Blake_Lively.jpg")) is None


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (17, 16)])
def test_odd_sizes_are_judged_too(size):
    assert monochrome_tone(torch.full((1, 3, *size), 0.5)) is not None
    red = torch.tensor([0.9, 0.2, 0.2]).view(1, 3, 1, 1)
    striped = torch.cat([red.expand(1, 3, *size), torch.full((1, 3, *size), float(luma(red)))], dim=3)
    assert (monochrome_tone(striped) is None) == (size[1] >= 16)


def test_a_broken_picture_has_no_tone():
    assert monochrome_tone(torch.full((1, 3, 32, 32), float("nan"))) is None

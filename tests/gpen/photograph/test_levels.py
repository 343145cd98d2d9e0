"""Faded photographs get their black and white back; others are left alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.photograph.levels import restore_levels
from gpen_blocks.gpen.photograph.prepare import prepare


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    picture = np.asarray(Image.open(examples / "portrait.png").convert("RGB"))
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return -10 * math.log10(float(((a - b) ** 2).mean()))


def test_a_faded_portrait_comes_back(portrait):
    faded = 0.5 * portrait + 0.3
    restored, (fading,) = restore_levels(faded)
    assert fading.found and fading.gain == pytest.approx(2, abs=0.15)
    assert psnr(restored, portrait) > 30 > 16 > psnr(faded, portrait)
    half, _ = restore_levels(faded, 0.5)
    assert psnr(faded, portrait) < psnr(half, portrait) < psnr(restored, portrait)


def test_contrast_is_raised_three_times_at_most(portrait):
    """More would raise the noise to be seen first; the middle still comes to the middle."""
    restored, (fading,) = restore_levels(0.1 * portrait + 0.2)
    assert fading.gain == 3
    (low, high) = (float(restored.mean(dim=1).quantile(q)) for q in (0.001, 0.999))
    assert 0.2 < high - low < 0.4 and 0.4 < (low + high) / 2 < 0.6


def test_a_picture_that_has_not_faded_is_the_same_tensor(portrait):
    restored, (fading,) = restore_levels(portrait)
    assert restored is portrait and not fading.found and fading.gain == 1
    faded = 0.5 * portrait + 0.3
    assert restore_levels(faded, 0.0)[0] is faded


def test_only_the_faded_picture_of_a_batch_is_changed(portrait):
    batch = torch.cat([portrait, 0.5 * portrait + 0.3])
    restored, found = restore_levels(batch)
    assert (restored[0] == portrait[0]).all() and [fading.found for fading in found] == [False, True]
    torch.testing.assert_close(restored[1:], restore_levels(batch[1:])[0])


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (333, 251)])
def test_grey_stays_grey_and_flat_stays_flat(size):
    gray = (0.4 + 0.2 * torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1))).repeat(1, 3, 1, 1)
    restored, _ = restore_levels(gray)
    assert (restored == restored[:, :1]).all() and 0 <= restored.min() <= restored.max() <= 1
    flat = torch.full((1, 3, *size), 0.5)
    assert restore_levels(flat)[0] is flat


def test_preparing_tells_of_it(portrait):
    _, (faded, fine) = prepare(torch.cat([0.5 * portrait + 0.3, portrait]), levels=1.0)
    assert faded["levels"]["contrast_gain"] > 1.5 and any("was faded" in note for note in faded["notes"])
    assert fine["levels"]["contrast_gain"] == 1 and any("is not faded" in note for note in fine["notes"])


def test_what_does_not_fit_is_said(portrait):
    with pytest.raises(ImageError, match="NaN"):
        restore_levels(portrait * math.nan)
    with pytest.raises(SettingsError, match="must lie between"):
        restore_levels(portrait, 1.5)

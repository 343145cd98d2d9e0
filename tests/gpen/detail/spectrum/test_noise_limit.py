"""The noise floor: grain is told from skin, hair and blur by going on everywhere at the same strength."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.detail.spectrum.noise_limit import noise_floor
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur

LEVEL = 1 / 255


@pytest.fixture(scope="module")
def gray(examples) -> torch.Tensor:
    """A sharp face and its surroundings, 256 x 256."""
    picture = Image.open(examples / "portrait.png").convert("RGB").crop((100, 0, 356, 256))
    return luma(torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255)[0, 0]


def grain(size: tuple[int, ...], deviation: float, blur: float = 0.0) -> torch.Tensor:
    white = torch.randn(1, 1, *size, generator=torch.Generator().manual_seed(3))
    coarse = gaussian_blur(white, blur)[0, 0]
    return deviation * coarse / coarse.std()


def test_an_undamaged_face_has_no_noise(gray):
    floor = noise_floor(gray)
    assert floor is not None and floor.deviation < 1.5 * LEVEL
    assert floor.share[:10].max() < 0.1


@pytest.mark.parametrize("deviation", [8, 16, 30])
@pytest.mark.parametrize("blur", [0.0, 0.7])
def test_noise_is_measured_white_or_coarse(gray, deviation, blur):
    floor = noise_floor(gray + grain(gray.shape, deviation * LEVEL, blur))
    assert floor is not None
    assert floor.deviation / LEVEL == pytest.approx(deviation, rel=0.3)


def test_the_share_rises_to_where_noise_rules(gray):
    floor = noise_floor(gray + grain(gray.shape, 16 * LEVEL))
    assert floor is not None
    assert floor.share[1] < 0.1 and floor.share[10:].min() > 0.7
    assert torch.allclose(floor.at(floor.frequencies), floor.share)


def test_little_pictures_and_textures_are_not_judged(gray):
    assert noise_floor(gray[:100, :100]) is None
    assert noise_floor(0.5 + grain((256, 256), 10 * LEVEL)) is None
    flat = noise_floor(torch.full((256, 256), 0.5))
    assert flat is None or flat.deviation == 0

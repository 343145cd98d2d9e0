"""The JPEG quality told from pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.photograph.jpeg_quality import quality_of_pixels


@pytest.fixture(scope="module")
def portrait(examples) -> Image.Image:
    return Image.open(examples / "portrait.png").convert("RGB")


def pixels(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def saved(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("quality", [12, 20, 30, 45, 60, 75])
def test_the_quality_is_that_of_the_file(portrait, quality):
    image = pixels(saved(portrait, quality))
    found = quality_of_pixels(image, (120, 20, 330, 240))
    assert found is not None and abs(found - quality) <= 4


def test_what_never_was_a_jpeg_or_was_resized_passes_for_a_good_one(portrait):
    whole = (0, 0, portrait.width, portrait.height)
    for picture in (portrait, saved(portrait, 15).resize((300, 300), Image.Resampling.BICUBIC)):
        found = quality_of_pixels(pixels(picture), whole)
        assert found is not None and found >= 75


def test_too_little_is_not_judged(portrait):
    image = pixels(portrait)
    assert quality_of_pixels(image, (10, 10, 50, 50)) is None
    assert quality_of_pixels(image[:, :40], (0, 0, 400, 400)) is None
    assert quality_of_pixels(torch.full((3, 128, 128), 0.5), (0, 0, 128, 128)) is None

"""Never worse than it was: what is sharp stays, what is soft gains, and a second run changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks import Restorer
from gpen_blocks.gpen.images import from_array
from gpen_blocks.gpen.pixels.filters import gaussian_blur

pytestmark = pytest.mark.slow

BUNDLED: dict[str, Any] = {"model": "gpen-lite-256", "detector": "face-detector-lite", "device": "cpu"}


@pytest.fixture(scope="module")
def restorer():
    return Restorer(**BUNDLED, backend="eager")


def levels(image: torch.Tensor) -> np.ndarray:
    return (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def error(a: np.ndarray, b: torch.Tensor, mask: torch.Tensor) -> float:
    return float((from_array(a) - b)[0][:, mask[0, 0] > 0.5].square().mean())


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_a_sharp_face_is_left_as_it_is(restorer, sharp, side):
    image = levels(F.interpolate(sharp, (side, side), mode="bicubic", antialias=True))
    result = restorer.restore(image)
    assert np.array_equal(result.image, image)
    assert result.mask.max() == 0
    face = result.report["faces"][0]
    assert not face["restored"] and face["skipped"] == "sharp already"
    assert any("sharp already" in note for note in result.report["notes"])


def test_grain_of_an_enlarged_print_stays(restorer, sharp):
    """At 1024 px with a network of 256 the grain is finer than the network sees."""
    small = F.interpolate(sharp, (512, 512), mode="bicubic", antialias=True)
    large = F.interpolate(small, (1024, 1024), mode="bicubic")
    grainy = large + torch.randn(large.shape, generator=torch.Generator().manual_seed(0)) * 5 / 255
    image = levels(grainy)
    result = restorer.restore(image).image
    fine = [each - gaussian_blur(each, 1.0) for each in (from_array(image), from_array(result))]
    own, kept = (each[..., 300:800, 300:700].flatten() for each in fine)
    assert float(kept.square().sum() / own.square().sum()) == pytest.approx(1, abs=0.07)
    assert float((own @ kept) / (own.norm() * kept.norm())) > 0.97


def noisy(image: torch.Tensor, amount: float) -> torch.Tensor:
    return image + torch.randn(image.shape, generator=torch.Generator().manual_seed(0)) * amount / 255


def reduced(image: torch.Tensor, side: int) -> torch.Tensor:
    return F.interpolate(image, (side, side), mode="bicubic", antialias=True)


DAMAGE = {
    "blur": lambda truth: gaussian_blur(truth, 2.5),
    "noise": lambda truth: noisy(truth, 15),
    "reduced, with noise": lambda truth: reduced(noisy(reduced(truth, 128), 20), 256),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_a_damaged_face_gains_and_a_second_run_changes_nothing(restorer, sharp, damage):
    truth = reduced(sharp, 256)
    image = levels(DAMAGE[damage](truth))
    first = restorer.restore(image)
    assert first.report["faces"][0]["restored"]
    assert error(first.image, truth, first.mask) < 0.97 * error(image, truth, first.mask)
    again = restorer.restore(first.image)
    assert np.array_equal(again.image, first.image)
    assert again.report["faces"][0]["skipped"] in ("sharp already", "nothing to add")


def test_small_faces_of_a_picture_have_nothing_to_add_the_second_time(restorer, sharp):
    """A face of 70 px, blurred, in a picture of 200."""
    truth = F.pad(reduced(sharp, 80), (60, 60, 60, 60), mode="replicate")
    first = restorer.restore(levels(gaussian_blur(truth, 1.2)))
    assert first.report["faces"][0]["restored"]
    again = restorer.restore(first.image)
    assert np.array_equal(again.image, first.image)
    assert any("already has the detail that a restoration would add" in note for note in again.report["notes"])


def test_noise_of_five_levels_is_taken_out(restorer, sharp):
    """Also where cutting the crop has softened it, so that it looks like less."""
    truth = reduced(sharp, 256)
    image = levels(noisy(truth, 5))
    result = restorer.restore(image)
    assert error(result.image, truth, result.mask) < 0.7 * error(image, truth, result.mask)


def test_noise_is_told_and_denoise_takes_it(sharp):
    truth = F.interpolate(sharp, (256, 256), mode="bicubic", antialias=True)
    image = levels(truth + torch.randn(truth.shape, generator=torch.Generator().manual_seed(0)) * 15 / 255)
    faces = [
        Restorer(**BUNDLED, backend="eager", denoise=amount).restore(image).report["faces"][0] for amount in (0.0, 1.0)
    ]
    # Luma has less of the noise than each channel.
    assert all(8 < face["noise_levels"] < 16 for face in faces)
    assert 0 <= faces[0]["noise_taken"] <= faces[1]["noise_taken"] <= 1


def test_a_small_sharp_face_of_a_picture_is_left_too(restorer, examples):
    picture = np.asarray(Image.open(examples / "portrait.png").convert("RGB"))
    assert np.array_equal(restorer.restore(picture).image, picture)

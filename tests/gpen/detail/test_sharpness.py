"""Faces to which nothing is to be added: sharp ones, and those that have what a network paints."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.detail.sharpness import is_painted, is_sharp
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.pixels.filters import gaussian_blur


@pytest.fixture(scope="module")
def face(examples) -> torch.Tensor:
    """A portrait, 1 x 3 x 256 x 256."""
    return F.interpolate(read_picture(examples / "portrait.png").pixels, (256, 256), mode="bicubic", antialias=True)


def noise(like: torch.Tensor, levels: float) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(0)) * levels / 255


def fine(image: torch.Tensor) -> torch.Tensor:
    return image - gaussian_blur(image, 1.5)


def test_a_face_that_has_what_the_network_paints_is_told(face):
    soft = gaussian_blur(face, 0.3)  # the network's answer is never quite the same again
    assert is_painted(face, soft)
    assert is_painted(face, face)


def test_a_sharp_face_is_one_unless_its_file_says_otherwise(sharp):
    """JPEG's blocks look like detail: from a file of low quality no face is taken for sharp."""
    crop = F.interpolate(sharp, (512, 512), mode="bicubic", antialias=True)
    assert is_sharp(crop, crop)
    assert is_sharp(crop, crop, jpeg_quality=45)
    assert not is_sharp(crop, crop, jpeg_quality=44)
    assert not is_sharp(gaussian_blur(crop, 1.5), crop)


def test_other_detail_of_the_same_strength_is_not_what_the_network_paints(face):
    """A sharp photograph, and a network that paints as much, but in other places."""
    elsewhere = face - fine(face) + fine(face).flip(-1)
    assert not is_painted(face, elsewhere)


@pytest.mark.parametrize("damage", ["blur", "noise", "JPEG"])
def test_damaged_faces_are_not_told_even_if_the_network_finds_the_truth(face, damage):
    spoilt = {"blur": gaussian_blur(face, 1.0), "noise": face + noise(face, 15), "JPEG": face}[damage]
    assert not is_painted(spoilt, face, jpeg_quality=30 if damage == "JPEG" else None)


def test_noise_that_the_network_passes_on_is_still_noise(face):
    noisy = face + noise(face, 15)
    assert not is_painted(noisy, noisy)


def test_a_small_face_is_judged_by_what_its_pixels_hold(face):
    """Enlarged four times, it has nothing finer than 1/8 cycles per pixel, which the network adds to the crop."""
    small = F.interpolate(face, (64, 64), mode="bicubic", antialias=True)
    crop = F.interpolate(small, (256, 256), mode="bicubic")
    assert is_painted(crop, face, scale=0.25)
    assert not is_painted(crop, face, scale=1.0)
    blurred = F.interpolate(gaussian_blur(small, 1.5), (256, 256), mode="bicubic")
    assert not is_painted(blurred, face, scale=0.25)
    assert not is_painted(crop, face, scale=0.1)


def test_too_little_picture_is_not_judged(face):
    tiny = F.interpolate(face, (48, 48), mode="bicubic", antialias=True)
    assert not is_painted(tiny, tiny)

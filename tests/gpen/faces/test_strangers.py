"""Crops remember their picture: another one of the same size is told, a prepared one is not."""

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.faces.align import align_faces, find_strangers
from gpen_blocks.gpen.photograph.prepare import prepare
from gpen_blocks.gpen.stages import paste_crops
from gpen_blocks.gpen.types import Face, Faces


@pytest.fixture(scope="module")
def picture(examples):
    pixels = np.asarray(Image.open(examples / "portrait-degraded.jpg").convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def face():
    """Where it is in the example."""
    return Face((150, 120, 360, 400), 0.99, [[205, 235], [305, 235], [256, 300], [215, 350], [300, 350]])


def cut(images, *faces):
    return align_faces(images, Faces(faces, (tuple(images.shape[-2:]),) * len(images)), 256)


def changed(picture):
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.randn(picture.shape, generator=generator)
    yield "as it was", picture
    yield "noise", (picture + noise).clamp(0, 1)
    yield "darker", picture**2
    yield "faded", 0.4 * picture + 0.3
    yield "no colour", picture.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    yield "prepared", prepare(picture, white_balance="lab", deblock=1.0, levels=1.0)[0]


def test_a_prepared_picture_is_the_same_and_a_mirrored_one_is_not(picture, face):
    _, alignments = cut(picture, face)
    assert len(alignments[0].signature) == 64
    for name, image in changed(picture):
        assert find_strangers(image, alignments) == (), name
    assert find_strangers(picture.flip(-2), alignments) == (0,)
    assert find_strangers(torch.roll(picture, 150, 3), alignments) == (0,)
    # There is nothing to compare on a flat area.
    assert find_strangers(torch.full_like(picture, 0.5), alignments) == ()


def test_frames_in_another_order_are_told_and_pasted_all_the_same(picture, face, caplog):
    frames = torch.cat([picture, picture.flip(-2), picture])
    faces = [Face(face.box, face.score, face.landmarks, index) for index in range(3)]
    crops, alignments = cut(frames, *faces)
    same = paste_crops(frames, 0.9 * crops, alignments)
    assert same.notes == () and not caplog.records
    other = paste_crops(frames[[1, 0, 2]], 0.9 * crops, alignments)
    (note,) = other.notes
    assert "Image 0, 1 do not look like" in note and note in caplog.text
    assert (other.images != frames[[1, 0, 2]]).any() and other.mask.amax(dim=(1, 2, 3)).eq(1).all()


def test_one_crop_that_fits_is_enough(picture, face):
    """Something may have been painted over a face in between."""
    second = Face((225, 275, 285, 335), 0.9, face.landmarks / 8 + 225)
    _, alignments = cut(picture, face, second)
    painted = picture.clone()
    painted[..., 220:300, 220:300] = 1 - picture[..., 220:300, 220:300]
    assert find_strangers(painted, alignments[1:]) == (0,)
    assert find_strangers(painted, alignments) == ()

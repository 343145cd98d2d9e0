"""Crops remember how they looked: another picture, or crops in another order, are told; prepared ones are not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.faces.align import align_faces, find_misordered, find_strangers
from gpen_blocks.gpen.faces.detection import detect
from gpen_blocks.gpen.models import load_detector, load_generator
from gpen_blocks.gpen.photograph.prepare import prepare
from gpen_blocks.gpen.restore import restore_crops
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


@pytest.fixture(scope="module")
def group(examples):
    """Crops of the faces of a group, 5 x 3 x 256 x 256, their alignments, and the picture."""
    pixels = np.asarray(Image.open(examples / "group.jpg").convert("RGB"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    faces = detect(image, load_detector("face-detector-lite").module)
    crops, alignments = align_faces(image, faces, 256, "ffhq")
    assert len(crops) >= 4
    return crops, alignments, image


@pytest.fixture(scope="module")
def restyled(group):
    """What people do to crops before they are pasted, by name."""
    crops = group[0]
    luma, noise = crops.mean(dim=1, keepdim=True), torch.randn(crops.shape, generator=torch.Generator().manual_seed(0))
    return {
        "as cut": crops,
        "restored": restore_crops(load_generator("gpen-lite-256", backend="eager").module, crops),
        "larger": F.interpolate(crops, (512, 512), mode="bicubic").clamp(0, 1),
        "blurred": F.interpolate(F.interpolate(crops, (12, 12), mode="area"), (256, 256), mode="bilinear"),
        "brightened": (1.8 * crops + 0.1).clamp(0, 1),
        "darkened": 0.3 * crops,
        "black and white": luma.expand_as(crops),
        "toned": luma * torch.tensor([1.0, 0.6, 0.2])[:, None, None],
        "other colours": crops.flip(1),
        "noisy": (crops + 0.3 * noise).clamp(0, 1),
        "posterised": (3 * crops).round() / 3,
        "two levels": (luma > luma.mean(dim=(-2, -1), keepdim=True)).float().expand_as(crops),
        "inverted": 1 - crops,
        "mirrored": crops.flip(-1),
        "relit": (crops * torch.linspace(0.2, 1.6, 256)).clamp(0, 1),
        "lines": (1 - 8 * (luma - F.avg_pool2d(luma, 9, 1, 4)).abs()).clamp(0, 1).expand_as(crops),
        "black": torch.zeros_like(crops),
    }


def test_crops_in_their_order_are_never_doubted(group, restyled):
    for name, crops in restyled.items():
        assert find_misordered(crops, group[1]) == (), name


def test_crops_in_another_order_are_told_and_pasted_all_the_same(group, restyled, caplog):
    _, alignments, image = group
    for name in ("as cut", "restored", "blurred", "brightened", "darkened", "black and white", "toned", "noisy"):
        assert len(find_misordered(restyled[name].roll(1, 0), alignments)) >= 2, name
    swapped = [1, 0, *range(2, len(alignments))]
    assert find_misordered(restyled["restored"][swapped], alignments) == (0, 1)
    assert paste_crops(image, restyled["restored"], alignments).notes == () and not caplog.records
    result = paste_crops(image, restyled["restored"][swapped], alignments)
    (note,) = result.notes
    assert note.startswith("Crops 0, 1 look unlike what was cut there") and note in caplog.text
    assert not any(result.faults) and (result.images != image).any()


def test_crops_of_one_face_and_unknown_ones_are_not_judged(group):
    crops, alignments, _ = group
    assert find_misordered(crops[:1], alignments[:1]) == () == find_misordered(crops[:0], ())
    same = crops[:1].expand(3, -1, -1, -1)
    assert find_misordered(same, alignments[:1] * 3) == ()
    unknown = tuple(replace(alignment, signature=b"") for alignment in alignments)
    assert find_misordered(crops.flip(0), unknown) == ()

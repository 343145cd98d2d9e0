"""Crops remember how they looked: another picture, or crops in another order, are told; prepared ones are not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detection import detect
from gpen_blocks.gpen.faces.looks import find_misordered, find_strangers, find_unlike, looks_cut, looks_of
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
        assert find_misordered(looks_of(crops), looks_cut(group[1])) == (), name


def test_crops_in_another_order_are_told_and_pasted_all_the_same(group, restyled, caplog):
    _, alignments, image = group
    for name in ("as cut", "restored", "blurred", "brightened", "darkened", "black and white", "toned", "noisy"):
        assert len(find_misordered(looks_of(restyled[name].roll(1, 0)), looks_cut(alignments))) >= 2, name
    swapped = [1, 0, *range(2, len(alignments))]
    assert find_misordered(looks_of(restyled["restored"][swapped]), looks_cut(alignments)) == (0, 1)
    assert paste_crops(image, restyled["restored"], alignments).notes == () and not caplog.records
    result = paste_crops(image, restyled["restored"][swapped], alignments)
    (note,) = result.notes
    assert (
        note.startswith("Crops 0, 1 seem to be in the wrong place of the batch; paste the crops in the order")
        and note in caplog.text
    )
    assert not any(result.faults) and (result.images != image).any()


# What hardly looks like a face that was cut, and is no mistake: a drawing, a negative.
OTHER_LOOKS = ("lines", "inverted", "relit", "mirrored", "black")


def test_crops_of_the_same_faces_are_never_called_unlike(group, restyled):
    seen = looks_cut(group[1])
    for name in restyled.keys() - set(OTHER_LOOKS):
        assert find_unlike(looks_of(restyled[name]), seen) == (), name
    assert find_unlike(looks_of(0.1 * group[0]), seen) == ()


def test_empty_turned_and_noisy_crops_are_told(group, restyled):
    crops, alignments, _ = group
    seen, every = looks_cut(alignments), tuple(range(len(crops)))
    noise = torch.rand(crops.shape, generator=torch.Generator().manual_seed(1))
    shapes = F.interpolate(noise[..., :16, :16], (256, 256), mode="bilinear")
    for other in (restyled["black"], torch.ones_like(crops), noise, shapes):
        assert find_unlike(looks_of(other), seen) == every
    for turns in (1, 3):
        assert find_unlike(looks_of(restyled["restored"].rot90(turns, (-2, -1))), seen) == every, turns
    # One of them looks much the same the other way up.
    assert len(find_unlike(looks_of(restyled["restored"].flip(-1, -2)), seen)) >= len(every) - 1
    assert find_unlike(looks_of(crops), np.zeros_like(seen)) == () == find_unlike(seen[:0], seen[:0])


def test_a_crop_that_does_not_belong_is_told_and_pasted_all_the_same(group, restyled, caplog):
    _, alignments, image = group
    crops = restyled["restored"].clone()
    crops[1], crops[3] = 0, crops[3].flip(-1, -2)
    result = paste_crops(image, crops, alignments)
    (note,) = result.notes
    assert note.startswith("Crops 1, 3 hardly look like what was cut there: empty, turned, or of another face;")
    assert note in caplog.text and not any(result.faults)
    # Exchanged ones are called exchanged, and nothing else.
    (note,) = paste_crops(image, restyled["restored"].roll(1, 0), alignments).notes
    assert "seem to be in the wrong place" in note


def test_crops_of_one_face_and_unknown_ones_are_not_judged(group):
    crops, alignments, _ = group
    assert (
        find_misordered(looks_of(crops[:1]), looks_cut(alignments[:1]))
        == ()
        == find_misordered(looks_of(crops[:0]), looks_cut(()))
    )
    same = crops[:1].expand(3, -1, -1, -1)
    assert find_misordered(looks_of(same), looks_cut(alignments[:1] * 3)) == ()
    unknown = tuple(replace(alignment, signature=b"") for alignment in alignments)
    assert find_misordered(looks_of(crops.flip(0)), looks_cut(unknown)) == ()

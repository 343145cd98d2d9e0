"""Masks of parts lie where the parts are, in the image's own pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parsers import save_parser
from PIL import Image

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.landmarks import find_landmarks68
from gpen_blocks.gpen.faces.masks.parsing import FaceParser
from gpen_blocks.gpen.faces.part_masks import draw_part_masks
from gpen_blocks.gpen.images import from_array
from gpen_blocks.gpen.models import choose_landmarker, load_detector, load_parser
from gpen_blocks.gpen.types import Faces


@pytest.fixture(scope="module")
def images(examples) -> torch.Tensor:
    """A portrait, nothing, and the portrait moved to the right."""
    portrait = from_array(np.asarray(Image.open(examples / "portrait.png").convert("RGB")))
    return torch.cat([portrait, torch.full_like(portrait, 0.5), portrait.roll(60, dims=-1)])


@pytest.fixture(scope="module")
def faces(images) -> Faces:
    found = detect(images, load_detector("face-detector-lite").module)
    return find_landmarks68(choose_landmarker()[0].module, images, found)


def points(faces: Faces, image: int, span: slice) -> np.ndarray:
    (face,) = faces.of_image(image)
    assert face.landmarks68 is not None
    return face.landmarks68[span]


@pytest.mark.parametrize(
    ("part", "span"),
    [
        ("brows", slice(17, 27)),
        ("eyes", slice(36, 48)),
        ("nose", slice(27, 36)),
        ("lips", slice(48, 68)),
        ("skin", slice(27, 36)),
    ],
)
def test_each_part_is_where_its_landmarks_are(images, faces, part, span):
    masks = draw_part_masks(images, faces, [part])
    assert masks.shape == (3, 1, 512, 512) and float(masks.min()) >= 0 and float(masks.max()) == 1
    assert not masks[1].any()
    for image in (0, 2):
        x, y = points(faces, image, span).round().astype(int).T
        assert float(masks[image, 0, y, x].mean()) > 0.85
        other = points(faces, image, slice(6, 11)).round().astype(int) + (0, 12)  # below the chin
        assert float(masks[image, 0, other[:, 1], other[:, 0]].max()) < 0.1
    assert abs(float(masks[0].sum()) / float(masks[2].sum()) - 1) < 0.1


def test_hair_is_around_the_face_and_a_mask_has_all_its_parts(images, faces):
    hair, skin, both = (draw_part_masks(images, faces, parts) for parts in (["hair"], ["skin"], ["hair", "skin"]))
    assert float(torch.minimum(hair, skin).sum()) < 0.2 * float(skin.sum())
    assert float((both - torch.maximum(hair, skin)).abs().max()) < 1e-6
    x, y = points(faces, 0, slice(0, 27)).round().astype(int).T
    column = hair[0, 0, : y.max(), (x.min() + x.max()) // 2]
    assert float(column[: y.min()].max()) > 0.9 and not column[y.min() :].any()


def test_the_hair_of_a_turned_head_is_not_cut_off(examples):
    """Every edge is soft, where the crop ends too."""
    image = from_array(np.asarray(Image.open(examples / "group.jpg").convert("RGB")))
    found = detect(image, load_detector("face-detector-lite").module)
    hair = draw_part_masks(image, find_landmarks68(choose_landmarker()[0].module, image, found), ["hair"])
    assert len(found) == 5 and hair.any()
    assert float(hair.diff(dim=-1).abs().max()) < 0.5


def extent(mask: torch.Tensor) -> np.ndarray:
    """Width and height of what is covered."""
    covered = mask[0, 0] > 0.5
    return np.array([int(covered.any(dim=0).sum()), int(covered.any(dim=1).sum())])


def test_grow_moves_the_outline_and_feather_blurs_it(images, faces):
    plain = draw_part_masks(images, faces, ["lips"])
    for grow in (12, -3):
        moved = draw_part_masks(images, faces, ["lips"], grow=grow)
        assert abs(extent(moved) - extent(plain) - 2 * grow).max() <= 1
    soft = draw_part_masks(images, faces, ["lips"], feather=8)
    assert float(soft.diff(dim=-1).abs().max()) < 0.6 * float(plain.diff(dim=-1).abs().max())
    assert abs(float(soft.sum()) / float(plain.sum()) - 1) < 0.01


def test_glasses_come_from_the_parser(images, faces, tmp_path):
    parser = load_parser(str(save_parser(tmp_path / "my_parsing.safetensors"))).module
    sees = FaceParser(_Glasses(), parser.classes, parser.mean, parser.deviation)
    mask = draw_part_masks(images, faces, ["glasses"], parser=sees)
    assert mask[0].any() and not mask[1].any()
    # The network says glasses in the middle rows of the crop, which hold the eyes.
    x, y = points(faces, 0, slice(36, 48)).round().astype(int).T
    assert float(mask[0, 0, y, x].min()) > 0.99 and 0.005 < float(mask[0].mean()) < 0.1


class _Glasses(torch.nn.Module):
    """Scores of a BiSeNet that sees glasses in a band of every crop."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        scores = torch.zeros(len(crops), 19, 512, 512)
        scores[:, 6, 200:300] = 1
        return scores


def test_wrong_arguments_are_named(images, faces):
    with pytest.raises(SettingsError, match="face parser"):
        draw_part_masks(images, faces, ["glasses"])
    with pytest.raises(SettingsError, match="part"):
        draw_part_masks(images, faces, ["chin"])
    with pytest.raises(SettingsError, match="feather"):
        draw_part_masks(images, faces, ["lips"], feather=-1)

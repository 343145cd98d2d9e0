"""Where the parts of a face are, with 68 landmarks, with five, and with none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.faces.align import TEMPLATES, align_faces
from gpen_blocks.gpen.faces.masks.parts import (
    crop_landmarks,
    five_of_68,
    part_gains,
    part_masks,
    template_landmarks,
)
from gpen_blocks.gpen.types import Face, Faces


def centre(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) of the middle of a 1 x 1 x S x S mask."""
    grid = torch.arange(mask.shape[-1], dtype=torch.float32)
    total = mask.sum()
    return float((mask[0, 0].sum(0) * grid).sum() / total), float((mask[0, 0].sum(1) * grid).sum() / total)


def a_68_point_face(size: int) -> np.ndarray:
    """An upright face by its parts: jaw, brows, nose, eyes and mouth, 68 x 2."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.3 * np.cos(angle), 0.5 + 0.35 * np.sin(angle)], 1)
    brows = [np.stack([np.linspace(x, x + 0.18, 5), np.full(5, 0.38)], 1) for x in (0.25, 0.57)]
    nose = np.concatenate([np.stack([np.full(4, 0.5), np.linspace(0.45, 0.6, 4)], 1)])
    wings = np.stack([np.linspace(0.44, 0.56, 5), np.full(5, 0.62)], 1)
    ring = np.linspace(np.pi, -np.pi, 6, endpoint=False)
    eyes = [np.stack([x + 0.06 * np.cos(ring), 0.45 - 0.02 * np.sin(ring)], 1) for x in (0.36, 0.64)]
    outer, inner = np.linspace(np.pi, -np.pi, 12, endpoint=False), np.linspace(np.pi, -np.pi, 8, endpoint=False)
    mouth = [
        np.stack([0.5 + w * np.cos(a), 0.73 - h * np.sin(a)], 1)
        for w, h, a in ((0.1, 0.04, outer), (0.08, 0.01, inner))
    ]
    return np.concatenate([jaw, *brows, nose, wings, *eyes, *mouth]) * size


@pytest.mark.parametrize("template", ["gpen", "ffhq"])
def test_parts_lie_where_the_template_has_them(template):
    masks = part_masks(template_landmarks(1, 512, template), 512)
    left, right, _, *mouth = TEMPLATES[template] * 512
    x, y = centre(masks["eyes"])
    # Brows belong to the eyes.
    assert abs(x - (left[0] + right[0]) / 2) < 8 and 0 < (left[1] + right[1]) / 2 - y < 30
    x, y = centre(masks["lips"])
    assert abs(x - np.mean([p[0] for p in mouth])) < 8 and abs(y - np.mean([p[1] for p in mouth])) < 16
    assert centre(masks["hairline"])[1] < centre(masks["eyes"])[1] < centre(masks["cheeks"])[1] < y
    assert all(mask.min() >= 0 and mask.max() <= 1 and mask.max() > 0.9 for mask in masks.values())


def test_skin_leaves_eyes_lips_and_hair_out():
    masks = part_masks(template_landmarks(1, 256), 256)
    for part in ("eyes", "lips"):
        assert (masks["skin"] * masks[part]).max() < 0.3
        assert masks["skin"][masks[part] > 0.99].max() < 0.05
    assert masks["hair"][masks["skin"] > 0.99].max() < 0.05


def test_68_landmarks_are_followed():
    points = a_68_point_face(256)[None]
    masks = part_masks(points, 256)
    x, y = centre(masks["lips"])
    assert abs(x - 128) < 3 and abs(y - 0.73 * 256) < 4
    moved = points.copy()
    moved[:, 48:, 0] += 30
    assert abs(centre(part_masks(moved, 256)["lips"])[0] - x - 30) < 3
    assert abs(centre(part_masks(moved, 256)["eyes"])[0] - centre(masks["eyes"])[0]) < 1


def test_five_of_68_are_those_of_the_face():
    points = a_68_point_face(100)
    five = five_of_68(points)
    np.testing.assert_allclose(five[:2], [[36, 45], [64, 45]], atol=0.5)
    np.testing.assert_allclose(five[3:], [[40, 73], [60, 73]], atol=0.5)


def test_gains_are_laid_over_the_parts():
    points = template_landmarks(2, 256)
    gains = part_gains(points, 256, {"eyes": 3.0, "skin": 0.5})
    masks = part_masks(points, 256)
    assert gains.shape == (2, 1, 256, 256)
    assert (gains[masks["eyes"] > 0.999] - 3).abs().max() < 0.02
    assert (gains[masks["skin"] > 0.999] - 0.5).abs().max() < 0.02
    assert gains[0, 0, -1, -1] == 1.0


def test_landmarks_go_along_with_the_crop():
    """Landmarks of an aligned face, in a crop that has been resized since, lie on the template of that size."""
    landmarks = TEMPLATES["gpen"] * 100 + [20, 30]
    face = Face((20, 30, 120, 130), 0.9, landmarks.astype(np.float32))
    _, alignments = align_faces(torch.rand(1, 3, 160, 160), Faces((face,), ((160, 160),)), 128)
    for size in (64, 128, 512):
        points = crop_landmarks(alignments, size)
        expected = (TEMPLATES["gpen"] * 128 + 0.5) * size / 128 - 0.5
        np.testing.assert_allclose(points[0], expected, atol=1e-3 * size)
    assert crop_landmarks((), 64).shape == (0, 5, 2)
    assert part_masks(crop_landmarks((), 64), 64)["eyes"].shape == (0, 1, 64, 64)


def test_what_are_no_landmarks_is_said():
    for wrong in (np.zeros((1, 7, 2)), np.zeros((5, 2)), np.full((1, 5, 2), np.nan)):
        with pytest.raises(ImageError, match="Landmarks must be"):
            part_masks(wrong, 64)


@pytest.mark.parametrize("lift", [0.0, 0.1])
def test_the_hairline_is_no_part_of_the_eyes(lift):
    """Not even where the brows are raised to it."""
    points = a_68_point_face(256)
    points[17:27, 1] -= lift * 256
    masks = part_masks(points[None], 256)
    assert masks["hairline"].max() > 0.5 and masks["eyes"].max() > 0.99
    assert (masks["hairline"] + masks["eyes"]).max() < 1.01


def test_where_parts_meet_the_earlier_one_lies_on_top():
    """Cheeks are skin as well, and have the number of cheeks."""
    points = template_landmarks(1, 256, "ffhq")
    cheeks = part_masks(points, 256)["cheeks"]
    gains = part_gains(points, 256, {"skin": 0.0, "cheeks": 2.0})
    core = cheeks > 0.95
    assert core.sum() > 100
    assert (gains[core] - 2).abs().max() < 0.15

"""Masks in the shape of the face."""

import numpy as np
import pytest
import torch
from masks import face_masks
from safetensors.numpy import load_file

from gpen_blocks.gpen.errors import MaskError, SettingsError
from gpen_blocks.gpen.faces.align import TEMPLATES, align_faces
from gpen_blocks.gpen.faces.masks.paste_masks import draw_masks
from gpen_blocks.gpen.types import Alignment, Face, Faces


def alignment_of(landmarks: np.ndarray, landmarks68: np.ndarray | None = None, size: int = 256) -> Alignment:
    """A crop that is its own image."""
    face = Face((0, 0, size, size), 0.9, landmarks, landmarks68=landmarks68)
    return Alignment(np.eye(2, 3), "ffhq", size, (size, size), face)


FRONTAL = alignment_of(TEMPLATES["ffhq"] * 256)


@pytest.mark.parametrize("mode", ["landmarks", "ellipse"])
@pytest.mark.parametrize("feather", [0.0, 0.1, 0.5])
def test_the_mask_covers_the_face_and_spares_the_border(mode, feather):
    mask = face_masks((FRONTAL,), 256, mode, feather)
    assert mask.shape == (1, 1, 256, 256)
    assert float(mask.min()) == 0
    assert float(mask.max()) <= 1
    border = torch.cat([mask[..., :3, :], mask[..., -3:, :], mask[..., :3].mT, mask[..., -3:].mT], dim=-2)
    assert not border.any()
    if feather <= 0.1:
        x, y = FRONTAL.face.landmarks.round().astype(int).T
        assert float(mask[0, 0, y, x].min()) > 0.999


def test_the_edge_is_as_wide_and_smooth_as_asked():
    """No step: the slope is a smoothstep's, 1.5 over the feather (more near the border), and never jumps."""
    for feather in (0.05, 0.2):
        mask = face_masks((FRONTAL,), 256, feather=feather)[0, 0]
        slope = torch.diff(mask, dim=1)
        assert 1.2 < float(slope.abs().max()) * feather * 256 < 2.2
        assert float(torch.diff(slope, dim=1).abs().max()) < 16 / (feather * 256) ** 2


def test_the_mask_follows_a_turned_head():
    """A head turned to the viewer's right shows more of itself on the left of its features."""
    turned = TEMPLATES["ffhq"] * 256
    turned[2, 0] += 20
    left, right = (masks[0, 0, 120].nonzero() for masks in (face_masks((alignment_of(turned),), 256), frontal_mask()))
    assert float(left.float().mean()) < float(right.float().mean()) - 10


def frontal_mask() -> torch.Tensor:
    return face_masks((FRONTAL,), 256)


def test_68_landmarks_shape_the_mask_where_there_are_any():
    """A narrow jaw makes a narrow mask."""
    angles = np.linspace(np.pi, 0, 17)
    jaw = np.stack([128 + 45 * np.cos(angles), 130 + 95 * np.sin(angles)], axis=1)
    brows = np.stack([np.linspace(95, 160, 10), np.full(10, 100)], axis=1)
    rest = np.repeat([[128.0, 140], [128, 120], [128, 180]], [9, 12, 20], axis=0)
    narrow = face_masks((alignment_of(TEMPLATES["ffhq"] * 256, np.concatenate([jaw, brows, rest])),), 256)
    assert float(narrow.sum()) < 0.85 * float(frontal_mask().sum())
    assert float(narrow[0, 0, 215, 128]) > 0.9


def test_the_mask_does_not_depend_on_its_resolution():
    small = torch.nn.functional.interpolate(face_masks((FRONTAL,), 512), (128, 128), mode="area")
    torch.testing.assert_close(small, face_masks((FRONTAL,), 128), atol=0.02, rtol=0)


def test_each_face_of_a_photograph_is_inside_its_mask(shared):
    """Real landmarks, also of heads turned and tilted: features inside, border free, and no mask is a rectangle."""
    golden = load_file(shared / "golden" / "alignment_solvay.safetensors")
    found = tuple(
        Face(tuple(box), 0.9, points) for box, points in zip(golden["boxes"], golden["landmarks"], strict=True)
    )
    _, alignments = align_faces(torch.zeros(1, 3, 568, 1328), Faces(found, ((568, 1328),)), 256)
    masks = face_masks(alignments, 256)
    for mask, alignment in zip(masks[:, 0], alignments, strict=True):
        x, y = (alignment.matrix @ np.column_stack([alignment.face.landmarks, np.ones(5)]).T).round().astype(int)
        assert float(mask[y, x].min()) > 0.999
        inside = mask > 0.5
        height, width = int(inside.any(dim=1).sum()), int(inside.any(dim=0).sum())
        assert 0.7 < int(inside.sum()) / (height * width) < 0.87  # an ellipse fills 0.785 of its box


def test_no_face_gives_no_mask():
    assert face_masks((), 64).shape == (0, 1, 64, 64)


def test_impossible_settings_are_refused():
    with pytest.raises(SettingsError, match="landmarks, ellipse, parsing"):
        face_masks((FRONTAL,), 64, "rectangle")
    with pytest.raises(SettingsError, match=r"0 and 0\.5"):
        face_masks((FRONTAL,), 64, feather=0.6)
    with pytest.raises(SettingsError, match="parsing network"):
        face_masks((FRONTAL,), 64, "parsing")


def test_a_face_without_a_mask_is_named_and_keeps_no_other_from_its_own():
    points = TEMPLATES["ffhq"] * 256
    collapsed = alignment_of(points, np.full((68, 2), 100.0))
    broken = alignment_of(points, np.full((68, 2), np.nan))
    aside = alignment_of(points + [900, 0])
    alignments = (FRONTAL, collapsed, broken, aside)
    with pytest.raises(
        MaskError, match=r"face 1: .*coincide.*face 2: .*not finite.*face 3: its mask is empty"
    ) as caught:
        face_masks(alignments, 64)
    assert list(caught.value.faults) == [1, 2, 3]
    masks, faults = draw_masks(alignments, 64)
    assert faults[0] is None and faults[1:] == tuple(caught.value.faults.values())
    assert torch.equal(masks[:1], face_masks((FRONTAL,), 64))
    assert not masks[1:].any()

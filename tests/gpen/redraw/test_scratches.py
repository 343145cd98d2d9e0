"""Scratches are proposed where they were drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.faces.part_masks import draw_part_masks
from gpen_blocks.gpen.images import from_array
from gpen_blocks.gpen.models import load_detector
from gpen_blocks.gpen.redraw import propose_scratches, scratches_in
from gpen_blocks.gpen.redraw.scratches import _features
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import find_faces
from gpen_blocks.gpen.types import Faces


@pytest.fixture
def face(examples) -> np.ndarray:
    picture = Image.open(examples / "portrait.png").convert("L").resize((768, 768))
    grain = np.random.default_rng(0).normal(0, 3, (768, 768))
    return np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)


def scratched(face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros_like(face)
    lines = (((100, 30), (140, 700)), ((360, 0), (330, 600)), ((600, 200), (640, 767)), ((20, 500), (740, 520)))
    for start, end in lines:
        cv2.line(mask, start, end, 255, 2, cv2.LINE_AA)
    level = np.where(np.arange(768)[:, None] < 384, 235, 20)
    drawn = np.where(mask > 127, level, face).astype(np.uint8)
    return np.repeat(drawn[..., None], 3, axis=2), mask > 127


def test_most_of_drawn_scratches_is_proposed_and_little_else(face):
    picture, truth = scratched(face)
    found = propose_scratches(picture) > 0
    near = cv2.dilate(truth.astype(np.uint8), np.ones((9, 9))) > 0
    assert found.shape == truth.shape
    assert (found & truth).sum() / truth.sum() > 0.7
    assert (found & ~near).mean() < 0.025


def test_sensitivity_proposes_more(face):
    picture, _ = scratched(face)
    shares = [(propose_scratches(picture, sensitivity=value) > 0).mean() for value in (0.0, 0.5, 1.0)]
    assert shares[0] <= shares[1] <= shares[2] and shares[0] < shares[2]
    with pytest.raises(SettingsError, match="sensitivity"):
        propose_scratches(picture, sensitivity=2)


def test_a_flat_picture_has_no_scratch():
    assert not propose_scratches(np.full((128, 128, 3), 90, np.uint8)).any()


def test_brows_and_lips_are_none_and_what_crosses_them_is_one():
    lines, parts = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    parts[20:26, 10:30] = True
    lines[22, 8:30] = True  # a brow, and a little more
    lines[:, 40] = True
    lines[2:60, 1] = True
    parts[30:36, 36:46] = True  # crossed by the line at 40
    found = _features(lines, parts)
    rows, columns = np.nonzero(found)
    assert set(rows) == {22} and columns.tolist() == list(range(8, 30))


def test_the_lips_of_a_face_are_not_proposed(examples):
    """A dark line between the lips is thin, long and straight."""
    picture = np.asarray(Image.open(examples / "portrait.png").convert("RGB")).copy()
    plain = propose_scratches(picture, sensitivity=1)
    faces = find_faces(from_array(picture), load_detector("face-detector-lite").module, Settings()).selected
    nobody = Faces((), faces.sizes)
    assert len(faces) == 1
    blind = scratches_in(from_array(picture), nobody, sensitivity=1)
    parts = draw_part_masks(from_array(picture), faces, ("brows", "eyes", "lips"))[0, 0].numpy() > 0
    assert (plain[parts] > 0).sum() < (blind[parts] > 0).sum()
    assert (plain[~parts] > 0).sum() <= (blind[~parts] > 0).sum()

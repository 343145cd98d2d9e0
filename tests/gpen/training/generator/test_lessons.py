"""What each task is shown and asked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from gpen_blocks.gpen.degradation.degrade import LIGHT, MIXED
from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.tasks.maps import CLASSES, PALETTE
from gpen_blocks.gpen.training.generator.lessons import answered, draw_strokes, make_lesson
from gpen_blocks.gpen.training.generator.pairs import training_pair

SIDE = 64


@pytest.fixture
def face() -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    picture = np.full((SIDE, SIDE, 3), (40, 90, 60))
    picture[np.hypot(x - 31, y - 33) < 22] = (220, 160, 130)
    picture[np.hypot(x - 22, y - 26) < 4] = (30, 40, 90)
    return picture.astype(np.uint8)


def images(*pictures: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(one).reshape(SIDE, SIDE, -1).movedim(-1, 0)[None].float() / 255 for one in pictures]


def test_restoration_learns_from_the_pairs_as_before(face):
    lesson = make_lesson("restoration", face, 1, 2, MIXED, mirror=True)
    shown, truth = training_pair(face, 1, 2, MIXED, mirror=True)
    assert (lesson.shown == shown).all() and (lesson.truth == truth).all() and lesson.counts.min() == 255


def test_colorization_is_shown_grey_and_its_answer_has_that_luma(face):
    lesson = make_lesson("colorization", face, 0, 0, LIGHT, mirror=False)
    assert (lesson.shown.min(axis=2) == lesson.shown.max(axis=2)).all()
    weights = np.array([0.299, 0.587, 0.114])
    off = abs(lesson.truth @ weights - lesson.shown[..., 0])
    assert np.quantile(off, 0.9) <= 1  # the rest is clipped at black or white
    assert np.ptp(lesson.truth.astype(int), axis=2).max() > 60
    shown, truth, counts = images(*lesson)
    looked_at = answered("colorization", torch.rand(1, 3, SIDE, SIDE), shown, truth, counts)
    luma = (looked_at * torch.tensor(weights).float().view(1, 3, 1, 1)).sum(dim=1)
    assert torch.allclose(luma, shown[:, 0], atol=1e-5)


def test_inpainting_is_shown_white_strokes_and_asked_for_them_and_a_rim(face):
    lesson = make_lesson("inpainting", face, 0, 3, MIXED, mirror=False)
    inside = lesson.counts > 0
    painted = (lesson.shown != lesson.truth).any(axis=2)
    assert 0.01 < inside.mean() < 0.95
    assert (lesson.shown[painted] == 255).all() and inside[painted].all()
    # Along the edge the answer is compared with the photograph, so it has to be right there, too.
    assert inside[cv2.dilate(painted.astype(np.uint8), np.ones((7, 7))) > 0].all()
    shown, truth, counts = images(*lesson)
    answer = torch.zeros(1, 3, SIDE, SIDE)
    looked_at = answered("inpainting", answer, shown, truth, counts)
    assert torch.equal(looked_at[0][:, ~inside], truth[0][:, ~inside])
    assert torch.allclose(looked_at[0][:, inside], torch.tensor(0.5))  # grey: the answer 0 of -1..1


@pytest.mark.parametrize("mirror", [False, True])
def test_a_map_moves_with_its_face(face, mirror):
    skin = CLASSES.index("skin")
    labels = np.where(face[..., 0] > 150, skin, 0).astype(np.uint8)
    labels[26, 22] = CLASSES.index("l_eye")
    lesson = make_lesson("seg2face", face, 0, 0, MIXED, mirror=mirror, labels=labels)
    assert set(map(tuple, lesson.shown.reshape(-1, 3))) <= set(map(tuple, PALETTE))  # no colour in between
    on_skin = (lesson.shown == PALETTE[skin]).all(axis=2)
    assert (on_skin == (lesson.truth[..., 0] > 150)).mean() > 0.97
    other = "l_eye" if mirror else "r_eye"
    assert not (lesson.shown == PALETTE[CLASSES.index(other)]).all(axis=2).any()
    with pytest.raises(SettingsError, match="needs a map"):
        make_lesson("seg2face", face, 0, 0, MIXED, mirror=mirror)


def test_strokes_have_the_widths_of_the_authors_training():
    widths = []
    for seed in range(40):
        drawn = draw_strokes(512, np.random.default_rng(seed))
        assert drawn.any() and set(np.unique(drawn)) <= {0, 255}
        widths.append(2 * cv2.distanceTransform(drawn, cv2.DIST_L2, 5).max())
    assert min(widths) >= 4 and np.median(widths) < 60  # crossings are wider than any stroke

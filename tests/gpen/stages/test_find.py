"""Which faces are worked on, and what is told of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.models import load_detector
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import find_faces


@pytest.fixture(scope="module")
def detector():
    return load_detector("face-detector-lite").module


@pytest.fixture(scope="module")
def head() -> torch.Tensor:
    """1 x 3 x 256 x 256, a head and shoulders (NASA, public domain)."""
    path = Path(__file__).resolve().parents[3] / "examples" / "portrait.png"
    picture = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    return picture[:, :, :256, 96:352]


def scene(*heads: torch.Tensor) -> torch.Tensor:
    """Heads side by side on grey."""
    height = max(one.shape[2] for one in heads)
    grey = [F.pad(one, (20, 20, 20, 20 + height - one.shape[2]), value=0.45) for one in heads]
    return torch.cat(grey, dim=3)


def sized(head: torch.Tensor, side: int) -> torch.Tensor:
    return F.interpolate(head, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def test_a_face_left_out_for_its_size_is_told_beside_others_and_not_numbered(detector, head):
    image = scene(sized(head, 400), sized(head, 120))
    every = find_faces(image, detector, Settings())
    assert len(every.selected) == 2
    small = min(face.size for face in every.selected)
    found = find_faces(image, detector, Settings(min_face_size=int(small) + 12))
    assert len(found.selected) == 1
    assert found.reasons == (f"smaller than {int(small) + 12} pixels",)
    assert found.rejected.faces[0] not in found.numbers


@pytest.mark.slow
def test_numbers_are_those_that_indices_choose_by(detector, head):
    image = scene(sized(head, 300), sized(head, 200), sized(head, 400))
    settings = Settings(order="left_to_right")
    found = find_faces(image, detector, settings)
    by_number = {number: face.box for face, number in found.numbers.items()}
    for number in range(3):
        chosen = find_faces(image, detector, settings, indices=str(number))
        assert [face.box for face in chosen.selected] == [by_number[number]]
        assert set(chosen.reasons) == {"not among the chosen faces"}
    assert by_number[0][0] < by_number[1][0] < by_number[2][0]


def test_focus_leaves_a_blurred_face_alone_and_tells_why(detector, head):
    blurred = gaussian_blur(sized(head, 390), 2.5)
    image = scene(sized(head, 400), blurred)
    assert len(find_faces(image, detector, Settings()).selected) == 2
    found = find_faces(image, detector, Settings(focus=True))
    assert len(found.selected) == 1
    assert found.reasons == ("much less sharp than the main faces",)


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("rotated", [False, True])
def test_no_head_is_ever_taken_the_wrong_way_up(detector, head, turn, rotated):
    """Turned by itself, or left alone with a word; with `rotated` always found."""
    image = scene(sized(head, 300)).rot90(turn, (2, 3))
    found = find_faces(image, detector, Settings(rotated=rotated))
    for face in found.selected:
        down = face.landmarks[3:].mean(0) - face.landmarks[:2].mean(0)
        # `rot90` turns against the clock: by one, "down" points to the right.
        expected = {1: (1, 0), 2: (0, -1), 3: (-1, 0)}[turn]
        assert down @ expected > 0.8 * np.linalg.norm(down)
    assert len(found.selected) == 1 or not rotated
    assert all("turn on rotated" in reason for reason in found.reasons)

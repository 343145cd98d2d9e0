"""Faces drawn over a picture: who is chosen shows in colour, and what the faces are called in numbers."""

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.sheets import draw_faces
from gpen_blocks.gpen.types import Face

GREEN, RED = (64, 224, 120), (240, 100, 80)


def face(x: float) -> Face:
    return Face((x, 40, x + 40, 90), 1.0, np.array([[x + 10 + dx, 60 + dy] for dx, dy in np.ndindex(5, 1)]))


def pixels_of(image: torch.Tensor, colour: tuple[int, int, int], above: int) -> int:
    """How many pixels of the rows above have a colour: the boxes begin at row 40, their numbers stand higher."""
    array = image[0, :, :above].mul(255).round().byte().permute(1, 2, 0).numpy()
    return int((array == colour).all(axis=-1).sum())


@pytest.fixture
def canvas():
    return torch.zeros(1, 3, 100, 200)


def test_chosen_faces_are_counted_and_others_bear_no_number(canvas):
    drawn = draw_faces(canvas, [face(20)], [face(120)])
    assert drawn.shape == canvas.shape
    assert pixels_of(drawn, GREEN, 38) > 50 and pixels_of(drawn, RED, 38) == 0
    assert pixels_of(drawn, RED, 100) > 50


def test_given_numbers_are_used_for_both(canvas):
    first, second = face(20), face(120)
    drawn = draw_faces(canvas, [first], [second], {first: 7, second: 0})
    assert pixels_of(drawn, GREEN, 38) > 50 and pixels_of(drawn, RED, 38) > 50
    other = draw_faces(canvas, [first], [second], {first: 8, second: 0})
    assert not torch.equal(drawn, other)
    assert pixels_of(draw_faces(canvas, [first], [second], {}), GREEN, 38) == 0


def test_the_picture_itself_is_not_drawn_on(canvas):
    draw_faces(canvas, [face(20)])
    assert canvas.max() == 0

"""Which faces a photograph is about."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from gpen_blocks.gpen.faces.focus import blur_of, focused
from gpen_blocks.gpen.types import Face, Faces

POINTS = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)


def figure(sigma: float, side: int = 200, noise: float = 0.0) -> np.ndarray:
    """A picture full of edges, blurred."""
    random = np.random.default_rng(0)
    coarse = random.random((side // 20, side // 20)).astype(np.float32)
    sharp = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_NEAREST)
    picture = cv2.GaussianBlur(sharp, (0, 0), sigma) if sigma else sharp
    return picture + random.normal(0, noise, picture.shape).astype(np.float32)


def on_canvas(*figures: np.ndarray) -> tuple[torch.Tensor, Faces]:
    """Figures side by side, 1 x 3 x H x W, and a face about each."""
    height, width = max(len(one) for one in figures), sum(one.shape[1] for one in figures)
    canvas, faces, x = np.full((height, width), 0.5, np.float32), [], 0
    for one in figures:
        canvas[: len(one), x : x + one.shape[1]] = one
        box = (x + 2, 2, x + one.shape[1] - 2, len(one) - 2)
        faces.append(Face(box, 0.9, POINTS + [x, 0]))
        x += one.shape[1]
    return torch.from_numpy(canvas).expand(1, 3, -1, -1), Faces(tuple(faces), ((height, width),))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 6.0])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_blur_is_measured_in_pixels(sigma, noise):
    image, faces = on_canvas(figure(sigma, noise=noise))
    assert blur_of(image[0], faces.faces[0]) == pytest.approx(sigma, rel=0.35)


def test_blurred_and_small_faces_are_scenery_beside_a_sharp_large_one():
    image, faces = on_canvas(figure(0.8), figure(5.0), figure(0.8), figure(0.8, side=60))
    assert focused(image, faces) == (
        None,
        "much less sharp than the main faces",
        None,
        "much smaller than the main faces",
    )


def test_a_small_sharp_face_does_not_set_the_measure():
    """Of less than half the largest one's size it is no main face, and its size does not make it scenery either."""
    image, faces = on_canvas(figure(3.0), figure(0.0, side=90))
    assert blur_of(image[0], faces.faces[0]) > blur_of(image[0], faces.faces[1]) + 1
    assert focused(image, faces) == (None, None)


def test_a_blurred_photograph_keeps_all_its_faces():
    image, faces = on_canvas(figure(4.0), figure(5.0), figure(4.5))
    assert focused(image, faces) == (None, None, None)


def test_a_blurred_head_before_the_camera_does_not_set_the_measure():
    image, faces = on_canvas(figure(8.0, side=300), figure(0.8))
    assert focused(image, faces) == ("much less sharp than the main faces", None)


def test_faces_outside_of_the_picture_and_flat_ones_end_in_an_answer():
    image = torch.full((1, 3, 50, 50), 0.5)
    boxes = ((-30, -30, -5, -5), (60, 60, 90, 90), (0, 0, 50, 50), (10, 10, 10.5, 10.5))
    faces = Faces(tuple(Face(box, 0.9, POINTS) for box in boxes), ((50, 50),))
    assert len(focused(image, faces)) == 4

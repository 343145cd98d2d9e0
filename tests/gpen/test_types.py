"""The records: immutable, checked, and with the geometry they promise."""

import numpy as np
import pytest

from gpen_blocks.gpen.types import Alignment, Face, Faces

POINTS = np.array([[1, 2], [5, 2], [3, 4], [2, 6], [4, 6]])


def test_landmarks_cannot_be_changed_from_outside():
    points = POINTS.astype(np.float32)
    face = Face((0, 0, 10, 12), 0.9, points)
    points[0] = 99
    assert face.landmarks[0].tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        face.landmarks[0, 0] = 7


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="landmarks must have shape"):
        Face((0, 0, 1, 1), 0.5, np.zeros((4, 2)))
    with pytest.raises(ValueError, match="a face names image 1"):
        Faces((Face((0, 0, 1, 1), 0.5, POINTS, image_index=1),), ((8, 8),))


def test_inverse_undoes_the_matrix():
    matrix = np.array([[2.0, -0.5, 3.0], [0.5, 2.0, -7.0]])
    alignment = Alignment(matrix, "gpen", 64, (100, 100), Face((0, 0, 1, 1), 0.5, POINTS))
    point = np.array([12.5, -3.0, 1.0])
    assert np.allclose(alignment.inverse @ [*(matrix @ point), 1.0], point[:2])

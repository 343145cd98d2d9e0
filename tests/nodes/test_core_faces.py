"""Core's boxes and MediaPipe faces, to and from this package's."""

import numpy as np
import pytest

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.nodes.core_faces import to_boxes, to_faces


def face(box: tuple, image: int = 0) -> Face:
    return Face(box, 0.5, np.zeros((5, 2)), image)


FACES = Faces((face((0, 0, 10, 20)), face((50, 50, 70, 90)), face((4, 4, 8, 8), 1)), ((100, 80), (100, 80), (100, 80)))


def test_boxes_are_lists_for_each_image_also_for_those_without_a_face():
    boxes = to_boxes(FACES)
    assert [len(of_image) for of_image in boxes] == [2, 1, 0]
    assert boxes[0][1] == {"x": 50.0, "y": 50.0, "width": 20.0, "height": 40.0, "label": "face", "score": 0.5}


def test_mediapipe_faces_become_faces():
    mesh = np.zeros((478, 2))
    mesh[33], mesh[133] = (20, 30), (30, 32)
    mesh[362], mesh[263] = (50, 32), (60, 30)
    mesh[1], mesh[61], mesh[291] = (40, 45), (30, 60), (50, 61)
    found = {"bbox_xyxy": np.array([10.0, 10, 70, 80]), "landmarks_xy": mesh, "score": 0.75}
    faces = to_faces({"frames": [[], [found]], "image_size": (100, 80), "connection_sets": {}})
    assert faces.sizes == ((100, 80), (100, 80))
    (only,) = faces
    assert only.image_index == 1 and only.box == (10, 10, 70, 80) and only.score == 0.75
    assert only.landmarks.tolist() == [[25, 31], [55, 31], [40, 45], [30, 60], [50, 61]]


def test_what_are_no_faces_is_told():
    assert to_faces(FACES) is FACES
    with pytest.raises(ImageError, match="connect GPEN Detect Faces"):
        to_faces({"boxes": []})

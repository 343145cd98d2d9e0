"""Convert faces to and from the socket types of ComfyUI's core.

BOUNDING_BOX: `{"x", "y", "width", "height"}` in pixels from the top-left corner, with `label` and `score` if known; a
    single box, a list for all images, or a list for each image.
FACE_LANDMARKS: result of MediaPipe's Face Landmarker, `{"frames", "image_size": (height, width)}`. `frames` has for
    each image a list of `{"bbox_xyxy": 4 numbers, "landmarks_xy": 478 x 2 in pixels, "score": float}`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..gpen.errors import ImageError
from ..gpen.types import Face, Faces

# MediaPipe's canonical face mesh (face_mesh_connections.py): corners of the eyes, tip of the nose, corners of the
# mouth; the person's right side (left in the image) first. Corners of the eyes are used, since the iris moves with the
# gaze.
_EYE_CORNERS = ((33, 133), (362, 263))
_NOSE, _MOUTH_CORNERS = 1, (61, 291)


def to_faces(value: Faces | dict[str, Any]) -> Faces:
    """Return this package's faces, or convert core's MediaPipe faces.

    Raises:
        ImageError: it is neither.
    """
    if isinstance(value, Faces):
        return value
    if not isinstance(value, dict) or "frames" not in value or "image_size" not in value:
        raise ImageError(f"faces holds {type(value).__name__}; connect GPEN Detect Faces or MediaPipe Face Landmarker.")
    faces = tuple(
        Face(tuple(face["bbox_xyxy"]), face.get("score", 1.0), _five_points(face["landmarks_xy"]), index)
        for index, frame in enumerate(value["frames"])
        for face in frame
    )
    return Faces(faces, (tuple(value["image_size"]),) * len(value["frames"]))


def _five_points(mesh: np.ndarray) -> np.ndarray:
    eyes = [mesh[list(corners)].mean(axis=0) for corners in _EYE_CORNERS]
    return np.stack([*eyes, mesh[_NOSE], *(mesh[corner] for corner in _MOUTH_CORNERS)])


def to_boxes(faces: Faces) -> list[list[dict[str, Any]]]:
    """Core's bounding boxes, a list for each image."""
    return [[_to_box(face) for face in faces.of_image(index)] for index in range(len(faces.sizes))]


def _to_box(face: Face) -> dict[str, Any]:
    x, y = face.box[:2]
    return {"x": x, "y": y, "width": face.width, "height": face.height, "label": "face", "score": face.score}

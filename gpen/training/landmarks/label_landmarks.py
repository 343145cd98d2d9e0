"""Label faces for the landmark network with MediaPipe's face mesh.

`gpen teach labels`. MediaPipe (Apache-2.0; its model comes with the wheel) is needed for this alone, and pins versions
of its own: give it an environment of its own, with this package and pyarrow. Written against mediapipe 0.10.14, with
the attention mesh, which follows eyes and lips more closely (Grishchenko et al., "Attention Mesh: High-fidelity Face
Mesh Prediction in Real-time", 2020).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...degradation.faces import read_faces
from ...errors import MissingPackageError

log = logging.getLogger(__name__)

MESH_POINTS = 478
# Zoom and rotation in degrees of the views to average, each also mirrored.
VIEWS = ((1.0, 0.0), (0.8, 5.0), (0.65, -5.0), (0.9, -2.5))
# Side of a view relative to that of the picture, which is extended beyond its edge.
_MARGIN = 1.4
_CONFIDENCE = 0.3


def open_labeller() -> Any:
    """MediaPipe's face mesh for single pictures; raises MissingPackageError if it is not installed."""
    try:
        from mediapipe.python.solutions.face_mesh import FaceMesh  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingPackageError(
            "Labelling needs mediapipe 0.10; install it in an environment of its own and run this command there."
        ) from error
    return FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=_CONFIDENCE
    )


def label_faces(faces: np.ndarray, labeller: Any) -> tuple[np.ndarray, np.ndarray]:
    """The mean mesh of each face over `VIEWS`.

    Args:
        faces: N x S x S x 3 uint8, each with one face.
        labeller: from `open_labeller`.

    Returns:
        N x 2 x 478 x 2 float32 in the pictures' pixels, pixel centres at integers: the mean of the plain views, and
        that of the mirrored ones laid back on the plain picture, where left and right points have changed places. And
        N float32, how far a point of single views lies from its mean, in pixels; both NaN for a face missed in a view.
    """
    meshes = np.full((len(faces), 2, MESH_POINTS, 2), np.nan, np.float32)
    spread = np.full(len(faces), np.nan, np.float32)
    for index, face in enumerate(faces):
        side = face.shape[0]
        found = [_mesh(shown, zoom, angle, labeller) for shown in (face, face[:, ::-1]) for zoom, angle in VIEWS]
        views = [mesh for mesh in found if mesh is not None]
        if len(views) == len(found):
            both = np.reshape(views, (2, len(VIEWS), MESH_POINTS, 2))
            both[1, ..., 0] = side - 1 - both[1, ..., 0]
            meshes[index] = both.mean(axis=1)
            spread[index] = np.linalg.norm(both - meshes[index, :, None], axis=-1).mean()
        if (index + 1) % 500 == 0:
            log.info("labelled %d of %d faces", index + 1, len(faces))
    return meshes, spread


def _mesh(face: np.ndarray, zoom: float, angle: float, labeller: Any) -> np.ndarray | None:
    """478 x 2 in pixels of the face's picture from one view of it; None if no face is found."""
    side, out = face.shape[0], round(face.shape[0] * _MARGIN)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, zoom)
    matrix[:, 2] += (out - side) / 2
    view = cv2.warpAffine(face, matrix, (out, out), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    answer = labeller.process(view).multi_face_landmarks
    if not answer:
        return None
    # MediaPipe uses units of the picture's size, with the corner of the top-left pixel at (0, 0).
    points = np.array([[point.x, point.y] for point in answer[0].landmark]) * out - 0.5
    return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def label(faces: Path, output: Path, *, limit: int | None = None) -> None:
    """Label the faces of a parquet file and write the meshes to an npz file.

    Raises:
        MissingPackageError: mediapipe is not installed.
    """
    meshes, spread = label_faces(read_faces(faces, limit), open_labeller())
    np.savez(output, mesh=meshes, spread=spread)
    log.info("wrote %s: %d of %d faces were seen in all views", output, np.isfinite(spread).sum(), len(spread))

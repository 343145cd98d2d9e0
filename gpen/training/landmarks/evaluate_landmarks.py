"""Measure a landmark network against the labels on held-out faces."""

from __future__ import annotations

import cv2
import numpy as np

from ...degradation.faces import to_images
from ...faces.landmarks.find import Landmarker, find_landmarks68
from ...faces.masks.parts import five_of_68
from ...types import Face, Faces
from ..shared.scenes import BOX_OF_PICTURE, Augmenter
from .landmark_data import eye_distance

# Typical error of a detector's five landmarks, in eye distances along each axis.
FIVE_OFF = 0.05
# Width in pixels of the box around the smallest faces measured.
SMALL = 24


def evaluate_landmarker(
    landmarker: Landmarker, faces: np.ndarray, points: np.ndarray, seed: int = 0
) -> dict[str, np.ndarray]:
    """Mean distance of the 68 landmarks of each face from its labels, in eye distances.

    Args:
        landmarker: from `build_landmarker`.
        faces: N x S x S x 3 uint8, each with one face.
        points: N x 68 x 2, labels in pixels of the pictures.
        seed: random seed of the degradation and of the errors of the five input landmarks.

    Returns:
        N errors for each kind of picture: clean; degraded by blur, loss of resolution, grain, JPEG and fading; reduced
        to faces `SMALL` pixels wide.
    """
    rng, augmenter = np.random.default_rng(seed), Augmenter(seed)
    reach = eye_distance(points)
    five = five_of_68(points) + rng.normal(0, FIVE_OFF, (len(points), 5, 2)) * reach[:, None, None]
    side = faces.shape[1]
    small = round(SMALL / BOX_OF_PICTURE)
    scale = small / side
    shown = {
        "clean": (faces, 1.0),
        "spoilt": (np.stack([augmenter.degrade(augmenter.adjust_tone(face)[0], 1.0) for face in faces]), 1.0),
        f"{SMALL} px": (np.stack([cv2.resize(f, (small, small), interpolation=cv2.INTER_AREA) for f in faces]), scale),
    }
    errors = {}
    for kind, (pictures, zoom) in shown.items():
        found = (_find(landmarker, pictures, (five + 0.5) * zoom - 0.5) + 0.5) / zoom - 0.5
        errors[kind] = np.linalg.norm(found - points, axis=-1).mean(axis=-1) / reach
    return errors


def _find(landmarker: Landmarker, pictures: np.ndarray, five: np.ndarray) -> np.ndarray:
    side = pictures.shape[1]
    faces = tuple(Face((0, 0, side, side), 1.0, points, index) for index, points in enumerate(five))
    found = find_landmarks68(landmarker, to_images(pictures), Faces(faces, ((side, side),) * len(faces)))
    return np.stack([face.landmarks68 for face in found if face.landmarks68 is not None]).astype(np.float64)

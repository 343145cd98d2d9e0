"""How a face detector does beside its teacher, on photographs and on faces it was not taught with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

from ...degradation.faces import to_images
from ...faces.detection.detect import detect
from ...faces.detection.detector import FaceDetector
from ...types import Face, Faces
from ..shared.scenes import BOX_OF_PICTURE

MATCH_IOU = 0.4
MARGIN = 0.75  # scenery around a face's picture, in parts of the picture
CHUNK = 16  # pictures held at a time


@dataclass(frozen=True)
class Comparison:
    """A detector's answers beside the teacher's.

    Attributes:
        expected: faces the teacher found.
        false: boxes of the detector on none of them.
        errors: of each face that both found (IoU at least 0.4), the mean distance of its landmarks in parts of
            the eye distance.
    """

    expected: int = 0
    false: int = 0
    errors: tuple[float, ...] = ()

    @property
    def found(self) -> int:
        """How many of the expected faces the detector found."""
        return len(self.errors)

    @property
    def landmark_error(self) -> float:
        """Median of `errors`; NaN where nothing was found."""
        return float(np.median(self.errors)) if self.errors else float("nan")

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(self.expected + other.expected, self.false + other.false, self.errors + other.errors)

    def __str__(self) -> str:
        error = f"{100 * self.landmark_error:.1f} %"
        return f"{self.found} of {self.expected} found, {self.false} false, landmarks differ by {error}"


def compare(found: Faces, expected: Faces) -> Comparison:
    """Match the faces of two detectors on the same images."""
    errors: list[float] = []
    false = 0
    for index in range(len(expected.sizes)):
        theirs = list(found.of_image(index))
        for face in expected.of_image(index):
            best = max(theirs, key=lambda other: _iou(other, face), default=None)
            if best is not None and _iou(best, face) >= MATCH_IOU:
                theirs.remove(best)
                errors.append(landmark_distance(best, face))
        false += len(theirs)
    return Comparison(len(expected), false, tuple(errors))


def landmark_distance(face: Face, expected: Face) -> float:
    """Mean distance of five landmarks in parts of the expected eye distance."""
    eyes = np.linalg.norm(expected.landmarks[0] - expected.landmarks[1])
    return float(np.linalg.norm(face.landmarks - expected.landmarks, axis=1).mean() / eyes)


def show_faces(faces: np.ndarray, backgrounds: np.ndarray, box: int, *, filling: bool) -> Tensor:
    """Pictures of single faces whose boxes are about `box` pixels wide: N x 3 x H x W in 0..1.

    Args:
        faces: N x 256 x 256 x 3 uint8, FFHQ alignment.
        backgrounds: M x 256 x 256 x 3 uint8.
        box: width of the box.
        filling: the face's picture is the whole picture; otherwise it lies in a larger scene.
    """
    side = round(box / BOX_OF_PICTURE)
    pictures = []
    for index, face in enumerate(faces):
        picture = _resized(face, side)
        if not filling:
            around = round(side * MARGIN)
            scene = _resized(backgrounds[index % len(backgrounds)], side + 2 * around)
            scene[around : around + side, around : around + side] = picture
            picture = scene
        pictures.append(picture)
    return to_images(np.stack(pictures))


def evaluate(
    detector: FaceDetector,
    teacher: FaceDetector,
    faces: np.ndarray,
    backgrounds: np.ndarray,
    box_sizes: Sequence[int],
) -> dict[str, Comparison]:
    """Compare with the teacher on single faces of these sizes, filling the picture and in a scene."""
    results = {}
    for filling in (True, False):
        for box in box_sizes:
            total = Comparison()
            for start in range(0, len(faces), CHUNK):
                pictures = show_faces(faces[start : start + CHUNK], backgrounds, box, filling=filling)
                expected = _only_the_face(detect(pictures, teacher, refine=False))
                total += compare(detect(pictures, detector), expected)
            results[f"{box} px, {'filling the picture' if filling else 'in a scene'}"] = total
    return results


def _only_the_face(faces: Faces) -> Faces:
    """The most confident face of each picture: these pictures show one."""
    return Faces(tuple(face for i in range(len(faces.sizes)) for face in faces.of_image(i)[:1]), faces.sizes)


def _resized(picture: np.ndarray, side: int) -> np.ndarray:
    shrink = side < picture.shape[0]
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)


def _iou(a: Face, b: Face) -> float:
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)

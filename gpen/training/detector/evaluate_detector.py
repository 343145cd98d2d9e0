"""Compare a face detector with its teacher on photographs and on held-out faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...degradation.faces import to_images
from ...evaluation.metrics import landmark_distance
from ...faces.detection.boxes import box_iou
from ...faces.detection.detect import detect
from ...faces.detection.detector import FaceDetector
from ...types import Faces
from ..shared.scenes import BOX_OF_PICTURE

MATCH_IOU = 0.4
MARGIN = 0.75  # surroundings of a face's picture, in units of its size
CHUNK = 16  # pictures held at a time


@dataclass(frozen=True)
class Comparison:
    """Results of a detector compared with the teacher's.

    Attributes:
        expected: number of faces found by the teacher.
        false: number of the detector's boxes on none of them.
        errors: for each face that both found (IoU at least 0.4), the mean distance of its landmarks in eye distances.
    """

    expected: int = 0
    false: int = 0
    errors: tuple[float, ...] = ()

    @property
    def found(self) -> int:
        """Number of expected faces that the detector found."""
        return len(self.errors)

    @property
    def landmark_error(self) -> float:
        """Median of `errors`; NaN if nothing was found."""
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
            if not theirs:
                continue
            shared = box_iou(torch.tensor([face.box]), torch.tensor([other.box for other in theirs]))[0]
            best = int(shared.argmax())
            if shared[best] >= MATCH_IOU:
                errors.append(landmark_distance(theirs.pop(best), face))
        false += len(theirs)
    return Comparison(len(expected), false, tuple(errors))


def show_faces(faces: np.ndarray, backgrounds: np.ndarray, box: int, *, filling: bool) -> Tensor:
    """Make pictures of single faces with boxes about `box` pixels wide: N x 3 x H x W in 0..1.

    Args:
        faces: N x 256 x 256 x 3 uint8, FFHQ alignment.
        backgrounds: M x 256 x 256 x 3 uint8.
        box: width of the box.
        filling: whether the face's picture fills the whole picture or is in a larger scene.
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
    """The most confident face of each picture, since these pictures show one."""
    return Faces(tuple(face for i in range(len(faces.sizes)) for face in faces.of_image(i)[:1]), faces.sizes)


def _resized(picture: np.ndarray, side: int) -> np.ndarray:
    shrink = side < picture.shape[0]
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC)

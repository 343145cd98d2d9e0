"""Look at single frames: detections, and the landmarks of a face whose position is known from another frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ...faces.align import usable_faces
from ...faces.detection.classify import classify
from ...faces.focus import focused
from ...faces.landmarks import find_landmarks68
from ...faces.masks.parts import five_of_68
from ...pixels.color import luma
from ...progress import Steps, no_steps
from ...settings import Settings
from ...stages import Networks, find_faces
from ...types import Face, Faces
from .cuts import shrink

# Limits for a face from one frame to the next: ratio of the sizes, and way of its centre in widths of the face.
_RESIZED, _MOVED = 1.3, 0.5
# Minimum likeness of a face to the classifier.
_FACE = 0.3
# Minimum share of the face's box inside the frame.
_INSIDE = 0.35


@dataclass(frozen=True, eq=False)
class Sight:
    """A face in one frame.

    Attributes:
        landmarks68: 68 x 2 float64.
        box: (x0, y0, x1, y1).
        score: of the last detection.
        detected: 5 x 2, the landmarks of the detector, or None.
        aside: whether this detection found it much smaller or less sharp than the main faces; see `faces.focus`.
    """

    landmarks68: np.ndarray
    box: np.ndarray
    score: float
    detected: np.ndarray | None = None
    aside: bool = False

    @property
    def landmarks(self) -> np.ndarray:
        """5 x 2."""
        return five_of_68(self.landmarks68)

    @property
    def centre(self) -> np.ndarray:
        """Of the five landmarks."""
        return self.landmarks.mean(axis=0)

    @property
    def width(self) -> float:
        """A width that hardly depends on the expression: twice the spread of the five landmarks."""
        return float(2 * np.linalg.norm(self.landmarks - self.centre, axis=1).mean())

    def moved(self, shift: np.ndarray) -> Sight:
        """The same face elsewhere."""
        return Sight(self.landmarks68 + shift, self.box + np.tile(shift, 2), self.score)


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """A frame, and what can be seen of it alone.

    Attributes:
        number: its number.
        image: 1 x 3 x H x W in 0..1.
        luma: H x W uint8.
        small: from `cuts.shrink`.
        faces: the faces that were detected, with 68 landmarks; None if it was not searched.
    """

    number: int
    image: torch.Tensor
    luma: np.ndarray
    small: np.ndarray
    faces: tuple[Sight, ...] | None = None


class Eye:
    """Looks at single frames with the networks; it remembers nothing, so several threads may use it.

    Args:
        networks: detector and landmarker are used.
        settings: those of detection.
    """

    def __init__(self, networks: Networks, settings: Settings) -> None:
        self._networks, self._settings = networks, settings
        # Who is chosen is decided for whole tracks.
        self._every = Settings(
            score_threshold=settings.score_threshold, min_face_size=settings.min_face_size, rotated=settings.rotated
        )

    def see(self, number: int, frame: torch.Tensor, *, search: bool, steps: Steps = no_steps) -> SeenFrame:
        """Look at a frame, 3 x H x W in 0..1; what `steps` raises ends a search."""
        image = frame[None]
        levels = (luma(image.float())[0, 0] * 255).round().clamp(0, 255).byte().cpu().numpy()
        return SeenFrame(number, image, levels, shrink(frame), self.detect(image, steps) if search else None)

    def detect(self, image: torch.Tensor, steps: Steps = no_steps) -> tuple[Sight, ...]:
        """The faces of an image, 1 x 3 x H x W."""
        networks, template = self._networks, self._networks.generator.template
        networks.place(networks.detector.module)
        found = find_faces(image, networks.detector.module, self._every, template=template, progress=steps).selected
        reasons = focused(image, found) if self._settings.focus else (None,) * len(found)
        networks.place(networks.landmarker.module)
        return tuple(
            Sight(face.landmarks68.astype(np.float64), np.array(face.box), face.score, face.landmarks, why is not None)
            for face, why in zip(
                find_landmarks68(networks.landmarker.module, image, found, steps), reasons, strict=True
            )
            if face.landmarks68 is not None and np.isfinite(face.landmarks68).all()
        )

    def find_again(self, image: torch.Tensor, known: list[Sight]) -> list[Sight | None]:
        """Find faces near their positions in another frame.

        Args:
            image: 1 x 3 x H x W.
            known: the faces, where they are expected.

        Returns:
            The faces; None for each that is not there.
        """
        if not known:
            return []
        networks, size = self._networks, (image.shape[-2], image.shape[-1])
        faces = Faces(tuple(Face(tuple(one.box), one.score, one.landmarks) for one in known), (size,))
        usable = {id(face) for face in usable_faces(faces, networks.generator.template)[0]}
        numbers = [n for n, face in enumerate(faces) if id(face) in usable]
        networks.place(networks.landmarker.module)
        located = find_landmarks68(
            networks.landmarker.module, image, Faces(tuple(faces.faces[n] for n in numbers), (size,))
        )
        found: list[Sight | None] = [None] * len(known)
        for n, face in zip(numbers, located, strict=True):
            assert face.landmarks68 is not None
            found[n] = _follow(known[n], face.landmarks68.astype(np.float64), size)
        return self._only_faces(image, found)

    def _only_faces(self, image: torch.Tensor, found: list[Sight | None]) -> list[Sight | None]:
        """Drop what the classifier of the detector, if it has one, takes for no face."""
        detector, there = self._networks.detector.module, [one for one in found if one is not None]
        if detector.classifier is None or not there:
            return found
        self._networks.place(detector)
        boxes = torch.from_numpy(np.stack([one.box for one in there])).float()
        with torch.inference_mode():
            likeness, _ = classify(image[0], boxes, detector.classifier)
        doubted = {id(one) for one, like in zip(there, likeness.tolist(), strict=True) if like < _FACE}
        return [one if one is None or id(one) not in doubted else None for one in found]


def _follow(before: Sight, landmarks68: np.ndarray, size: tuple[int, int]) -> Sight | None:
    """The face with its new landmarks and its box moved along; None if it cannot be the same."""
    if not np.isfinite(landmarks68).all():
        return None
    now = Sight(landmarks68, before.box, before.score)
    ratio = now.width / max(before.width, 1e-6)
    way = np.linalg.norm(now.centre - before.centre)
    if not 1 / _RESIZED <= ratio <= _RESIZED or way > _MOVED * before.width:
        return None
    box = (before.box.reshape(2, 2) - before.centre) * ratio + now.centre
    height, width = size
    low, high = np.maximum(box[0], 0), np.minimum(box[1], (width, height))
    inside = np.prod(np.maximum(high - low, 0)) / max(np.prod(box[1] - box[0]), 1e-6)
    return Sight(landmarks68, box.reshape(4), before.score) if inside >= _INSIDE else None

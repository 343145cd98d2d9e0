"""Which faces of photographs are worked on: one answer for all that find, number or restore them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..faces.align import landmark_fault, usable_faces
from ..faces.detection.detect import FaceDetector, detect
from ..faces.detection.tiles import smallest_face
from ..faces.focus import focused
from ..faces.select import select_faces
from ..models import DEFAULT_TEMPLATE
from ..settings import Settings
from ..types import Face, Faces

NOT_CHOSEN = "not among the chosen faces"
"""Why a face is left alone that the user did not ask for."""
# Smaller faces that a search happens upon are told, from this share of the limit on.
_TOLD = 0.5


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """The faces of a batch of images.

    Attributes:
        selected: to be worked on, in their order.
        rejected: to be left alone.
        reasons: for each of the rejected, why.
        numbers: what `indices` calls each face: its position among those of its image that can be chosen.
        least_size: the least larger side of a face's box that was asked for, in pixels.
    """

    selected: Faces
    rejected: Faces
    reasons: tuple[str, ...]
    numbers: dict[Face, int]
    least_size: float


def find_faces(
    images: torch.Tensor,
    detector: FaceDetector,
    settings: Settings,
    indices: str = "",
    template: str = DEFAULT_TEMPLATE,
    progress: Callable[[int, int], None] | None = None,
) -> FoundFaces:
    """Find the faces of every image, and choose.

    Args:
        images: B x 3 x H x W in 0..1.
        detector: on the device it is to run on.
        settings: what counts as a face, and which are wanted.
        indices: which of the ordered faces of each image, such as `0,2-4`; empty for all.
        template: landmark template that the faces will be aligned with.
        progress: called with (done, total) after each pass of the network; what it raises ends the search.

    Raises:
        ImageError: the images have another shape or hold NaN.
        SettingsError: `indices` cannot be read.
    """
    least_size = settings.min_face_size or math.ceil(smallest_face((images.shape[-2], images.shape[-1])))
    found = detect(
        images,
        detector,
        score_threshold=settings.score_threshold,
        min_face_size=settings.min_face_size,
        least_told=_TOLD * least_size,
        rotated=settings.rotated,
        progress=progress,
    )
    usable, _ = usable_faces(found, template)
    counted, _ = select_faces(usable, settings.order, min_face_size=least_size)
    chosen, _ = select_faces(counted, settings.order, indices, max_faces=settings.max_faces)
    reasons = focused(images, chosen) if settings.focus else (None,) * len(chosen)
    unfocused = {face: reason for face, reason in zip(chosen, reasons, strict=True) if reason}
    selected = tuple(face for face in chosen if face not in unfocused)
    rejected = tuple(face for face in found if face not in selected)
    numbers = {face: n for index in range(len(found.sizes)) for n, face in enumerate(counted.of_image(index))}
    return FoundFaces(
        Faces(selected, found.sizes),
        Faces(rejected, found.sizes),
        tuple(unfocused.get(face) or _why_rejected(face, least_size, settings, template) for face in rejected),
        numbers,
        least_size,
    )


def _why_rejected(face: Face, least_size: float, settings: Settings, template: str) -> str:
    fault = landmark_fault(face.landmarks, template)
    if fault:
        return fault
    if not all(map(math.isfinite, face.box)):
        return "its box is not finite"
    if face.wrong_way:
        why = "the head lies on its side or upside down, and was not found when turned"
        return why if settings.rotated else f"{why}; rotated (--rotated) searches for such heads"
    if face.size < least_size:
        return f"smaller than {least_size:.0f} pixels"
    return NOT_CHOSEN

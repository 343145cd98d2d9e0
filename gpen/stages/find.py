"""Find and select the faces to process; shared by everything that detects, numbers or restores faces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..faces.align import landmark_fault, usable_faces
from ..faces.detection.detect import detect
from ..faces.detection.detector import FaceDetector
from ..faces.detection.tiles import smallest_face
from ..faces.focus import focused
from ..faces.select import select_faces
from ..models import DEFAULT_TEMPLATE
from ..settings import Settings
from ..types import Face, Faces

NOT_CHOSEN = "not among the chosen faces"
"""Reason for a face that the user did not choose."""
# Faces that are too small are reported from this share of the limit on.
_TOLD = 0.5


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """The faces of a batch of images.

    Attributes:
        selected: faces to process, in order.
        rejected: faces to leave unchanged.
        reasons: the reason for each rejected face.
        numbers: number of each face for `indices`: its position among the selectable faces of its image.
        least_size: the minimum size of a face: longer side of its box in pixels.
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
    *,
    indices: str = "",
    template: str = DEFAULT_TEMPLATE,
    progress: Callable[[int, int], None] | None = None,
) -> FoundFaces:
    """Find and select the faces of every image.

    Args:
        images: B x 3 x H x W in 0..1.
        detector: the detector, already on its device.
        settings: detection and selection settings.
        indices: numbers of the faces of each image to select, such as `0,2-4`; empty: all.
        template: landmark template for the alignment.
        progress: called with (done, total) after each pass of the network; an exception it raises ends the search.

    Raises:
        ImageError: the images have a wrong shape or contain NaN.
        SettingsError: `indices` cannot be parsed.

    Example:
        >>> from gpen_blocks.gpen.images import read_picture
        >>> from gpen_blocks.gpen.models import load_detector
        >>> from gpen_blocks.gpen.settings import Settings
        >>> from gpen_blocks.gpen.stages import find_faces
        >>> detector = load_detector("face-detector-lite").module
        >>> image = read_picture("examples/portrait-degraded.jpg").pixels
        >>> found = find_faces(image, detector, Settings(min_face_size=150))
        >>> len(found.selected), found.reasons
        (0, ('smaller than 150 pixels',))
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
        why = "the head is sideways or upside down, and was not found in the rotated image"
        return why if settings.rotated else f"{why}; rotated (--rotated) searches for such heads"
    if face.size < least_size:
        return f"smaller than {least_size:.0f} pixels"
    return NOT_CHOSEN

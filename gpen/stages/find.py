"""Find and select the faces to process; shared by everything that detects, numbers or restores faces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from ..checks import require_finite_images
from ..errors import ImageError
from ..faces.align import landmark_fault, usable_faces
from ..faces.detection.detect import detect
from ..faces.detection.detector import FaceDetector
from ..faces.detection.tiles import smallest_face
from ..faces.focus import focused
from ..faces.select import number_faces, select_faces
from ..models import DEFAULT_TEMPLATE
from ..progress import Steps, no_steps
from ..settings import Settings
from ..types import Face, Faces
from ..wording import count

NOT_CHOSEN = "not among the chosen faces"
"""Reason for a face that the user did not choose."""
OUTSIDE = "outside the chosen regions"
"""Reason for a face that the caller's `within` leaves out."""
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

    def enlarged(self, factor: int) -> FoundFaces:
        """The same faces in their images enlarged by a whole factor; `least_size` stays that of the search."""
        made = {face: face.resized(factor) for faces in (self.selected, self.rejected) for face in faces}
        sizes = tuple((factor * height, factor * width) for height, width in self.selected.sizes)
        return replace(
            self,
            selected=Faces(tuple(made[face] for face in self.selected), sizes),
            rejected=Faces(tuple(made[face] for face in self.rejected), sizes),
            numbers={made[face]: number for face, number in self.numbers.items() if face in made},
        )


def find_faces(
    images: torch.Tensor,
    detector: FaceDetector,
    settings: Settings,
    *,
    indices: str = "",
    template: str = DEFAULT_TEMPLATE,
    within: Callable[[Faces], Faces] | None = None,
    progress: Steps = no_steps,
) -> FoundFaces:
    """Find and select the faces of every image.

    Args:
        images: B x 3 x H x W in 0..1.
        detector: the detector, already on its device.
        settings: detection and selection settings.
        indices: numbers of the faces of each image to select, such as `0,2-4`; empty: all.
        template: landmark template for the alignment.
        within: returns the faces that may be numbered and selected, such as those inside a region.
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
    chosen, rules = _select(found, settings, least_size, indices, template, within)
    reasons = focused(images, chosen) if settings.focus else (None,) * len(chosen)
    unfocused = {face: reason for face, reason in zip(chosen, reasons, strict=True) if reason}
    return rules.split(found, chosen, unfocused)


def choose_faces(
    images: torch.Tensor,
    faces: Faces,
    settings: Settings,
    *,
    indices: str = "",
    template: str = DEFAULT_TEMPLATE,
    within: Callable[[Faces], Faces] | None = None,
) -> FoundFaces:
    """Select among faces that were found elsewhere, as `find_faces` does among its own.

    Whoever brings faces has looked at size and focus already: a minimum size counts only if the settings give one, and
    `focus` not at all.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: the faces found in them.
        settings, indices, template, within: as for `find_faces`.

    Raises:
        ImageError: the images have a wrong shape or contain NaN, or are not those of the faces.
        SettingsError: `indices` cannot be parsed.
    """
    require_finite_images(images)
    height, width = images.shape[-2:]
    if faces.sizes != ((height, width),) * len(images):
        raise ImageError(
            f"The faces were found on {count(len(faces.sizes), 'image')} of {_sizes(faces)}, but {len(images)} of "
            f"{width} x {height} came; connect the images of these faces."
        )
    chosen, rules = _select(faces, settings, settings.min_face_size, indices, template, within)
    return rules.split(faces, chosen, {})


def _sizes(faces: Faces) -> str:
    return ", ".join(f"{width} x {height}" for height, width in sorted(set(faces.sizes)))


@dataclass(frozen=True, eq=False)
class _Rules:
    """What decided about the faces of a batch, to tell why a face was rejected."""

    settings: Settings
    least_size: float
    template: str
    inside: frozenset[Face]
    numbers: dict[Face, int]

    def split(self, found: Faces, chosen: Faces, unfocused: dict[Face, str]) -> FoundFaces:
        selected = tuple(face for face in chosen if face not in unfocused)
        kept = set(selected)
        rejected = tuple(face for face in found if face not in kept)
        return FoundFaces(
            Faces(selected, found.sizes),
            Faces(rejected, found.sizes),
            tuple(unfocused.get(face) or self._why_rejected(face) for face in rejected),
            self.numbers,
            self.least_size,
        )

    def _why_rejected(self, face: Face) -> str:
        fault = landmark_fault(face.landmarks, self.template)
        if fault:
            return fault
        if not all(map(math.isfinite, face.box)):
            return "its box is not finite"
        if face.wrong_way:
            why = "the head is sideways or upside down, and was not found in the rotated image"
            return why if self.settings.rotated else f"{why}; turn on rotated to include such heads"
        if face.size < self.least_size:
            return f"smaller than {self.least_size:.0f} pixels"
        return NOT_CHOSEN if face in self.inside else OUTSIDE


def _select(
    found: Faces,
    settings: Settings,
    least_size: float,
    indices: str,
    template: str,
    within: Callable[[Faces], Faces] | None,
) -> tuple[Faces, _Rules]:
    """The faces that settings, indices and region choose, and the rules that did."""
    usable, _ = usable_faces(found, template)
    inside = within(usable) if within else usable
    counted, _ = select_faces(inside, settings.order, min_face_size=least_size)
    chosen, _ = select_faces(counted, settings.order, indices, max_faces=settings.max_faces)
    return chosen, _Rules(settings, least_size, template, frozenset(inside), number_faces(counted))

"""Judge from a crop alone whether its face lies where a network expects it.

A network that was taught aligned faces turns anything else into a face-like pattern. This finds crops that were cut in
another way, and whole photographs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..pixels.resize import resize
from ..pixels.warp import transform_points
from ..progress import Steps, no_steps
from .align import TEMPLATES, Template, estimate_similarity_matrix
from .detection import FaceDetector, detect
from .landmarks.find import Landmarker, find_in_crops
from .masks.parts import five_of_68

# Distances from the template as shares of the crop's side. Up to the first, what the landmark network finds counts as
# aligned: of 153 aligned faces of real photographs, 149 were closer, and half of them within 0.005. Beyond it, the
# detector decides, or a larger distance if it finds no face, since damage leads both astray. Of 319 faces that were
# found and aligned in real photographs, clean or damaged, this left 5, two of which were no faces.
_NEAR, _FAR, _FAR_UNSEEN = 0.06, 0.08, 0.12

# The landmark network looks twice each time; where there is no face at the template, it wanders further each time.
_LOOKS = 2
# Side at which the detector looks; a face in an aligned crop fills more than half of it.
_DETECTOR_SIDE = 256


def misplaced_crops(
    crops: torch.Tensor,
    template: Template | str,
    landmarker: Landmarker,
    get_detector: Callable[[], FaceDetector],
    progress: Steps = no_steps,
) -> tuple[int, ...]:
    """Positions of the crops that do not look aligned.

    1. The landmark network searches from the positions of the template. The similarity that lays what it finds on the
       template moves the points of the template by their distance, root mean square.
    2. A crop that is not near is shown to the detector: it is misplaced if the face that is found is far from the
       template, too, or if none is found and the landmarks are very far.

    A crop of a single colour, such as the placeholder for no face, counts as aligned.

    Args:
        crops: N x 3 x S x S in 0..1.
        template: landmark template that the network needs.
        landmarker: already on its device.
        get_detector: gives the detector, already on its device; called only if it is needed.
        progress: called with (done, total); an exception it raises ends the work.

    Raises:
        ImageError: the crops are not square colour images, or contain NaN or infinity.
    """
    distances = _landmark_distances(crops, template, landmarker, progress)
    suspects = [index for index, distance in enumerate(distances) if distance > _NEAR]
    detected = _detected_distances(crops, suspects, template, get_detector, progress) if suspects else {}
    return tuple(
        index
        for index, distance in detected.items()
        if (distances[index] > _FAR_UNSEEN if distance is None else distance > _FAR)
    )


def _landmark_distances(
    crops: torch.Tensor, template: Template | str, landmarker: Landmarker, progress: Steps
) -> np.ndarray:
    size = crops.shape[-1]
    five = np.tile(TEMPLATES[template] * size, (len(crops), 1, 1))
    for look in range(_LOOKS):

        def told(done: int, total: int, look: int = look) -> None:
            progress(look * total + done, _LOOKS * total)

        five = five_of_68(find_in_crops(landmarker, crops, five, progress=told))
    return np.array([_distance(points / size, template) for points in five])


def _detected_distances(
    crops: torch.Tensor,
    suspects: list[int],
    template: Template | str,
    get_detector: Callable[[], FaceDetector],
    progress: Steps,
) -> dict[int, float | None]:
    """The distance that the detector sees in each suspect, see `_detected_distance`."""
    detector, distances = get_detector(), {}
    for index in suspects:
        progress(1, 1)  # the bar is there already, but the work may be stopped
        distances[index] = _detected_distance(crops[index : index + 1], template, detector)
    return distances


def _detected_distance(crop: torch.Tensor, template: Template | str, detector: FaceDetector) -> float | None:
    """Distance of the face nearest to the template, or None if the detector finds no face."""
    side = min(crop.shape[-1], _DETECTOR_SIDE)
    small = resize(crop, (side, side), "bilinear")
    found = detect(small, detector, refine=False)
    return min((_distance(face.landmarks / side, template) for face in found), default=None)


def _distance(points: np.ndarray, template: Template | str) -> float:
    """Root mean square by which the template's points move when `points` (5 x 2, in units of the side) are aligned."""
    target = TEMPLATES[template].astype(np.float64)
    matrix = estimate_similarity_matrix(points.astype(np.float64), target)
    return float(np.sqrt(((transform_points(matrix, target) - target) ** 2).sum(axis=-1).mean()))

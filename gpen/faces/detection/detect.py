"""Face detection with RetinaFace on pictures of any size.

Convention: boxes and landmarks are the network's numbers as used by facexlib and scripts built on it: anchors are at
(column + 0.5) * stride, and results of a resized picture are scaled by the ratio of the sizes. Like those scripts, this
package treats them as pixel coordinates with pixel centres at integers.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...checks import require_finite_images
from ...progress import Steps, each, no_steps, steps_within
from ...types import Face, Faces
from .candidates import Candidates, beside_much_larger, best_framed, merge, quarter_of
from .classify import FaceClassifier, classify
from .detector import FaceDetector
from .refine import LandmarkRefiner, refine_landmarks
from .search import search, search_turned
from .tiles import smallest_face

# Share of the time, in percent, of the search; the rest goes to looking at each find again.
_SEARCH = 90
# Minimum confidence of the network for a check by the classifier.
PROPOSED = 0.4
# Size below which earrings, leaves and screws look like faces, also near a much larger head, and the minimum
# confidence there. Of 50 held-out faces of 16 and of 20 px each, none had less; a higher threshold set by the caller
# still applies.
FEW_PIXELS, SURER = 24, 0.95
# Limit of confidences, so that they remain distinguishable.
_SUREST = 1e-6
# Minimum probability of the classifier that the orientation of a head differs from its landmarks.
SURE_TURN = 0.6


@torch.inference_mode()
def detect(
    images: Tensor,
    detector: FaceDetector,
    *,
    score_threshold: float = 0,
    min_face_size: float = 0,
    least_told: float | None = None,
    max_faces: int = 0,
    rotated: bool = False,
    refine: bool = True,
    progress: Steps = no_steps,
) -> Faces:
    """Find the faces of every image.

    1. Search every level of an image pyramid in overlapping tiles, see `tiles.py`; with `rotated`, each tile is also
       rotated by 90, 180 and 270 degrees.
    2. Drop faces cut by an inner tile edge: they are complete in a neighbouring tile or on a coarser level.
    3. Merge overlapping detections: the most confident one gives the position, and those that agree with it refine it
       by voting.
    4. Check each box with the classifier, if there is one. Both judgements are independent, so their odds are
       multiplied, and boxes that are not faces are dropped. A head whose orientation differs from its landmarks is
       searched again, rotated upright; if that finds nothing, the face is marked as `wrong_way`.
    5. Keep the best of several boxes that frame the same face.
    6. Refine the landmarks on an upright crop of each face, if the detector has a refiner.

    Args:
        images: B x 3 x H x W in 0..1, on any device; read tile by tile, never copied completely.
        detector: from `build_detector`, already on its device.
        score_threshold: minimum confidence of a face, 0..1, of network and classifier together; 0: the detector's own
            threshold.
        min_face_size: minimum longer side of a face's box in pixels; a smaller value makes the search finer and slower.
            0: automatic, see `smallest_face`.
        least_told: also return smaller faces found by chance, from this size on; by default `min_face_size`.
        max_faces: maximum number of faces per image, the most confident ones; 0: all.
        rotated: also search for heads on their side or upside down, which takes four times as long.
        refine: use the detector's landmark refiner, if it has one.
        progress: called with (done, total) after each pass of the network, and for each face that is looked at again;
            an exception it raises ends the search.

    Returns:
        The faces, image by image and by descending score.

    Raises:
        ImageError: the images have a wrong shape or no pixels, or contain NaN or infinity.

    Example:
        >>> from gpen_blocks.gpen.faces.detect import detect
        >>> from gpen_blocks.gpen.images import read_picture
        >>> from gpen_blocks.gpen.models import load_detector
        >>> image = read_picture("examples/portrait-degraded.jpg").pixels
        >>> faces = detect(image, load_detector("face-detector-lite").module)
        >>> len(faces), faces.sizes
        (1, ((512, 512),))
        >>> [face.landmarks.shape for face in faces]
        [(5, 2)]
    """
    require_finite_images(images)
    count, _, height, width = images.shape
    sizes = ((height, width),) * count
    if count == 0:
        return Faces((), sizes)
    min_face_size = min_face_size or smallest_face((height, width))
    surer = SURER if score_threshold == 0 else 0.0
    score_threshold = score_threshold or detector.score_threshold
    least = min_face_size if least_told is None else least_told
    turns = (0, 1, 2, 3) if rotated else (0,)
    proposed = score_threshold if detector.classifier is None else min(PROPOSED, score_threshold)
    found: list[list[Candidates]] = [[] for _ in range(count)]
    searching, looking = (steps_within(progress, *span, 100) for span in ((0, _SEARCH), (_SEARCH, 100)))
    passes = search(images, detector, turns=turns, threshold=proposed, min_face_size=min_face_size, progress=searching)
    for first, parts in passes:
        for offset, part in enumerate(parts):
            found[first + offset].append(part)
    faces: list[Face] = []
    for (index, parts), steps in each(list(enumerate(found)), looking):
        merged = merge(Candidates.join(parts))
        merged = merged[((merged.boxes[:, 2:] - merged.boxes[:, :2]).amax(1) >= least).nonzero()[:, 0]]
        if detector.classifier is not None:
            merged = _look_again(images[index], detector, detector.classifier, merged, score_threshold, surer, steps)
        merged = best_framed(merged)
        if max_faces > 0:
            merged = merged[torch.arange(min(max_faces, len(merged.scores)))]
        faces += _faces(images[index], index, merged, detector.refiner if refine else None, steps)
    return Faces(tuple(faces), sizes)


def _look_again(
    image: Tensor,
    detector: FaceDetector,
    classifier: FaceClassifier,
    found: Candidates,
    threshold: float,
    surer: float,
    progress: Steps,
) -> Candidates:
    """Drop detections that the classifier rejects, and correct heads whose orientation differs from their landmarks.

    Args:
        image: 3 x H x W.
        detector: used to search rotated heads.
        classifier: checks all detections.
        found: detections on this image.
        threshold: minimum confidence of a face.
        surer: minimum confidence of a small face, or of one beside a much larger one.
        progress: called after each piece of work.

    Returns:
        The remaining detections, with the combined confidence as their scores.
    """
    likeness, quarters = classify(image, found.boxes, classifier, progress=steps_within(progress, 0, 30, 100))
    both = (found.scores.logit(_SUREST) + likeness.logit(_SUREST)).sigmoid()
    doubtful = (found.boxes[:, 2:] - found.boxes[:, :2]).amax(1) < FEW_PIXELS
    doubtful |= beside_much_larger(found.boxes)
    kept = (both >= torch.where(doubtful, max(threshold, surer), threshold)).nonzero()[:, 0]
    found, both, quarters = found[kept], both[kept], quarters[kept]
    sure, quarter = quarters.max(1)
    wrong = ((sure >= SURE_TURN) & (quarter != quarter_of(found.landmarks))).nonzero()[:, 0]
    heads = [found[index] for index in torch.arange(len(kept)).split(1)]
    for index, _ in each(wrong.tolist(), steps_within(progress, 30, 60, 100)):
        turned = search_turned(image, detector, found.boxes[index], int(quarter[index]), threshold=PROPOSED)
        heads[index] = turned or replace(heads[index], wrong_way=torch.tensor([True]))
    return replace(Candidates.join(heads), scores=both) if heads else found


def _faces(
    image: Tensor, index: int, found: Candidates, refiner: LandmarkRefiner | None, progress: Steps
) -> list[Face]:
    landmarks = found.landmarks.numpy()
    if refiner is not None:
        landmarks = refine_landmarks(image, landmarks, refiner, progress=steps_within(progress, 60, 100, 100))
    return [
        Face(tuple(box), score, points, image_index=index, wrong_way=wrong)
        for box, score, points, wrong in zip(
            found.boxes.tolist(), found.scores.tolist(), landmarks, found.wrong_way.tolist(), strict=True
        )
    ]

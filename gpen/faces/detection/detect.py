"""Face detection with RetinaFace on pictures of any size.

Convention: boxes and landmarks are the network's own numbers, as facexlib and the scripts built on it use
them: anchors lie at (column + 0.5) * stride, and what is found in a resized picture is scaled back by the
ratio of the sizes. Those scripts take the numbers for pixel coordinates with pixel centres at integers, and
so does this package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ...checks import all_finite
from ...errors import ImageError
from ...types import Face, Faces
from .candidates import Candidates, beside_much_larger, best_framed, merge, quarter_of
from .classify import FaceClassifier, classify
from .detector import FaceDetector
from .refine import LandmarkRefiner, refine_landmarks
from .search import search, search_turned
from .tiles import smallest_face

# With a classifier, so little confidence of the network is enough for a second look.
PROPOSED = 0.4
# Earrings, leaves and screws look like faces of so few pixels, or on a head that is much larger. Of 50 held-out faces
# of 16 and of 20 px each, none had less confidence than this; a threshold that was asked for holds all the same.
FEW_PIXELS, SURER = 24, 0.95
# Nobody is surer than this, or there is no telling the two apart.
_SUREST = 1e-6
# How sure the classifier must be that a head lies otherwise than its landmarks say.
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
    progress: Callable[[int, int], None] | None = None,
) -> Faces:
    """Find the faces of every image.

    1. Every level of an image pyramid is searched in overlapping tiles, see `tiles.py`; where asked, each
       tile also turned by 90, 180 and 270 degrees.
    2. Faces that an inner tile edge cuts are dropped: they are whole in a neighbouring tile or on a coarser
       level.
    3. What overlaps is one face: the most confident detection says where, those that agree with it vote on
       how exactly.
    4. If the detector brings a classifier, it looks at each box again. Both judge independently, so that the odds
       multiply; what is no face then is dropped. A head that lies otherwise than its landmarks say is searched once
       more, turned upright. Where that finds nothing, the face is marked as `wrong_way`.
    5. Of boxes that frame one face the best stays.
    6. The landmarks are refined on an upright crop of each face, if the detector brings a refiner.

    Args:
        images: B x 3 x H x W in 0..1, on any device; read tile by tile, never copied as a whole.
        detector: from `build_detector`, on the device it is to run on.
        score_threshold: the least confidence of a face, 0..1, of network and classifier together; 0 is the
            detector's own.
        min_face_size: the least larger side of a face's box in pixels. The smaller, the finer (and slower)
            the search. 0 is as much as faces in such a picture have, see `smallest_face`.
        least_told: smaller faces that the search happens upon are given too, from this size on; `min_face_size` where
            left out.
        max_faces: keep only this many faces of each image, the most confident ones; 0 keeps all.
        rotated: also find heads that lie on their side or upside down (four times the work).
        refine: use the detector's landmark refiner, if it has one.
        progress: called with (done, total) after each pass of the network; what it raises ends the search.

    Returns:
        The faces, image by image and by falling score.

    Raises:
        ImageError: the images are of another shape, without pixels, or hold NaN or infinity.

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
    _check(images)
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
    passes = search(images, detector, turns=turns, threshold=proposed, min_face_size=min_face_size, progress=progress)
    for first, parts in passes:
        for offset, part in enumerate(parts):
            found[first + offset].append(part)
    faces: list[Face] = []
    for index, parts in enumerate(found):
        merged = merge(Candidates.join(parts))
        merged = merged[((merged.boxes[:, 2:] - merged.boxes[:, :2]).amax(1) >= least).nonzero()[:, 0]]
        if detector.classifier is not None:
            merged = _look_again(images[index], detector, detector.classifier, merged, score_threshold, surer)
        merged = best_framed(merged)
        if max_faces > 0:
            merged = merged[torch.arange(min(max_faces, len(merged.scores)))]
        faces += _faces(images[index], index, merged, detector.refiner if refine else None)
    return Faces(tuple(faces), sizes)


def _check(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ImageError(
            "detection needs a floating-point tensor B x 3 x H x W in 0..1, not "
            f"{tuple(images.shape)} of {images.dtype}"
        )
    if 0 in images.shape[2:]:
        raise ImageError(f"an image of {images.shape[2]} x {images.shape[3]} pixels holds nothing to search")
    if not all_finite(images):
        raise ImageError("the image holds NaN or infinity; repair it before looking for faces")


def _look_again(
    image: Tensor,
    detector: FaceDetector,
    classifier: FaceClassifier,
    found: Candidates,
    threshold: float,
    surer: float,
) -> Candidates:
    """Drop what is no face at a second look, and turn heads that lie otherwise than their landmarks say.

    Args:
        image: 3 x H x W.
        detector: searches turned heads.
        classifier: looks at all.
        found: on this image.
        threshold: the least confidence of a face.
        surer: the least confidence of one of few pixels, or beside a much larger one.

    Returns:
        What is left, with the confidence of both for its scores.
    """
    likeness, quarters = classify(image, found.boxes, classifier)
    both = (found.scores.logit(_SUREST) + likeness.logit(_SUREST)).sigmoid()
    doubtful = (found.boxes[:, 2:] - found.boxes[:, :2]).amax(1) < FEW_PIXELS
    doubtful |= beside_much_larger(found.boxes)
    kept = (both >= torch.where(doubtful, max(threshold, surer), threshold)).nonzero()[:, 0]
    found, both, quarters = found[kept], both[kept], quarters[kept]
    sure, quarter = quarters.max(1)
    wrong = ((sure >= SURE_TURN) & (quarter != quarter_of(found.landmarks))).nonzero()[:, 0]
    heads = [found[index] for index in torch.arange(len(kept)).split(1)]
    for index in wrong.tolist():
        turned = search_turned(image, detector, found.boxes[index], int(quarter[index]), threshold=PROPOSED)
        heads[index] = turned or replace(heads[index], wrong_way=torch.tensor([True]))
    return replace(Candidates.join(heads), scores=both) if heads else found


def _faces(image: Tensor, index: int, found: Candidates, refiner: LandmarkRefiner | None) -> list[Face]:
    landmarks = found.landmarks.numpy()
    if refiner is not None:
        landmarks = refine_landmarks(image, landmarks, refiner)
    return [
        Face(tuple(box), score, points, image_index=index, wrong_way=wrong)
        for box, score, points, wrong in zip(
            found.boxes.tolist(), found.scores.tolist(), landmarks, found.wrong_way.tolist(), strict=True
        )
    ]

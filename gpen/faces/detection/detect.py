"""Face detection with RetinaFace on pictures of any size.

Convention: boxes and landmarks are the network's own numbers, as facexlib and the scripts built on it use
them: anchors lie at (column + 0.5) * stride, and what is found in a resized picture is scaled back by the
ratio of the sizes. Those scripts take the numbers for pixel coordinates with pixel centres at integers, and
so does this package.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...checks import require_finite_images
from ...devices import is_out_of_memory
from ...errors import GPENError
from ...types import Face, Faces
from .boxes import box_iou, nms
from .candidates import (
    SAME_FACE_IOU,
    Candidates,
    beside_much_larger,
    best_framed,
    merge,
    quarter_of,
    uprightness,
)
from .classify import FaceClassifier, classify
from .refine import LandmarkRefiner, load_refiner, refine_landmarks
from .retinaface import (
    RetinaFace,
    absorb_input_scale,
    anchors,
    decode_boxes,
    decode_landmarks,
    fold_batch_norm,
    load_retinaface,
    subtract_mean,
    to_network,
)
from .tiles import Pyramid, Tile, halves, plan_tiles, smallest_face

REFINER_PREFIX = "refine."
# Pixels the network sees in one pass, over all images of a batch that share it.
PASS_PIXELS = 2_000_000
# The least confidence of a face for a network alone, where nothing was measured.
SCORE_THRESHOLD = 0.7
# With a classifier, so little confidence of the network is enough for a second look.
PROPOSED = 0.4
# Earrings, leaves and screws look like faces of so few pixels, or on a head that is much larger. Of 50 held-out faces
# of 16 and of 20 px each, none had less confidence than this; a threshold that was asked for holds all the same.
FEW_PIXELS, SURER = 24, 0.95
# Nobody is surer than this, or there is no telling the two apart.
_SUREST = 1e-6
# How sure the classifier must be that a head lies otherwise than its landmarks say.
SURE_TURN = 0.6
# A head that is looked at again, turned: how wide the network sees its box, and the surroundings it is shown with, in
# sizes of the box.
TURNED_SEEN, TURNED_REACH = 80, 1.5


class FaceDetector(nn.Module):
    """A RetinaFace with an optional landmark refiner and classifier, in eval mode and without gradients.

    Attributes:
        score_threshold: the least confidence of a face, unless the caller knows better; scores of different networks,
            with and without a classifier, mean different things.
    """

    def __init__(
        self,
        network: RetinaFace,
        refiner: LandmarkRefiner | None,
        classifier: FaceClassifier | None = None,
        score_threshold: float = SCORE_THRESHOLD,
    ) -> None:
        super().__init__()
        self.network = network
        self.refiner = refiner
        self.classifier = classifier
        self.score_threshold = score_threshold
        self.frozen = False
        self.eval().requires_grad_(False)

    def freeze(self) -> FaceDetector:
        """Fold into the convolutions what follows and precedes them, changed in place: the same numbers, half the time.

        Afterwards the network is of no use for teaching, and wants `forward` to prepare its pictures.
        """
        if not self.frozen:
            fold_batch_norm(self.network)
            absorb_input_scale(self.network)
            self.network.to(memory_format=torch.channels_last)
            self.frozen = True
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images B x 3 x H x W in 0..1 to scores B x N, box and landmark regressions B x N x 4, B x N x 10."""
        boxes, logits, landmarks = self.network(subtract_mean(images) if self.frozen else to_network(images))
        # The same as the second of two softmax values.
        return (logits[..., 1] - logits[..., 0]).sigmoid(), boxes, landmarks


def build_detector(
    state_dict: Mapping[str, Tensor],
    classifier: FaceClassifier | None = None,
    score_threshold: float = SCORE_THRESHOLD,
) -> FaceDetector:
    """Build a face detector from the tensors of a checkpoint.

    Args:
        state_dict: a RetinaFace (mobile0.25 or ResNet-50) with facexlib's tensor names, with or without the
            prefix `module.`; tensors under `refine.` are a landmark refiner's.
        classifier: looks again at what is found.
        score_threshold: see `FaceDetector`.

    Returns:
        The detector in eval mode, fp32, on the CPU.

    Raises:
        CheckpointError: the tensors are not a RetinaFace's, or some are missing, left over or of another
        shape.
    """
    tensors = {str(key).removeprefix("module."): value for key, value in state_dict.items()}
    refiner = {
        key.removeprefix(REFINER_PREFIX): value for key, value in tensors.items() if key.startswith(REFINER_PREFIX)
    }
    network = {key: value for key, value in tensors.items() if not key.startswith(REFINER_PREFIX)}
    refine = load_refiner(refiner) if refiner else None
    return FaceDetector(load_retinaface(network), refine, classifier, score_threshold)


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
    for first, parts in _search(images, detector, turns, proposed, min_face_size, progress):
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


def _search(
    images: Tensor,
    detector: FaceDetector,
    turns: tuple[int, ...],
    score_threshold: float,
    min_face_size: float,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, list[Candidates]]]:
    """Run the network over all tiles; yields the index of each pass's first image and its candidates."""
    device = next(detector.parameters()).device
    size = (images.shape[2], images.shape[3])
    jobs: list[tuple[Tile, int, int]] = []
    for tile in plan_tiles(size, min_face_size):
        stack = max(PASS_PIXELS // (tile.seen[0] * tile.seen[1]), 1)
        jobs += [(tile, first, min(first + stack, len(images))) for first in range(0, len(images), stack)]
    pyramid = Pyramid(images)

    def look(tile: Tile, first: int, last: int, turn: int) -> list[tuple[int, list[Candidates]]]:
        """What one pass sees; several smaller ones where it does not fit into memory."""
        try:
            shown = pyramid.cut(tile, first, last).to(device, torch.float32)
            outputs = [output.cpu() for output in detector(shown.rot90(turn, (2, 3)))]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            middle = (first + last) // 2
            smaller = [(tile, first, middle), (tile, middle, last)] if middle > first else []
            smaller = smaller or [(half, first, last) for half in halves(tile)]
            if not smaller:
                raise GPENError(
                    f"There is not enough memory on {device} to look for faces; free some or run on the CPU."
                ) from error
        else:
            parts = zip(*outputs, strict=True)
            return [(first, [_on_image(*p, tile=tile, turn=turn, size=size, threshold=score_threshold) for p in parts])]
        # Here, not above: as long as an error is handled, its frames hold what did not fit.
        return [found for less in smaller for found in look(*less, turn)]

    for done, (tile, first, last) in enumerate(jobs):
        for turn in turns:
            yield from look(tile, first, last, turn)
            if progress:
                progress(done * len(turns) + turns.index(turn) + 1, len(jobs) * len(turns))


def _on_image(
    scores: Tensor,
    box_regressions: Tensor,
    landmark_regressions: Tensor,
    *,
    tile: Tile,
    turn: int,
    size: tuple[int, int],
    threshold: float,
) -> Candidates:
    """Decode one image's outputs on one turned tile: a candidate per face it holds, in the image's pixels."""
    height, width = tile.seen if turn % 2 == 0 else tile.seen[::-1]
    chosen = (scores >= threshold).nonzero()[:, 0]
    at = anchors(height, width)[chosen]
    boxes = decode_boxes(box_regressions[chosen], at)
    landmarks = decode_landmarks(landmark_regressions[chosen], at)
    upright = uprightness(landmarks)
    corners = _turn_back(boxes.view(-1, 2, 2), turn, height, width)
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=1)
    landmarks = _turn_back(landmarks, turn, height, width)
    whole = tile.holds(boxes, size).nonzero()[:, 0]
    whole = whole[nms(boxes[whole], scores[chosen][whole], SAME_FACE_IOU)]
    start = torch.tensor([tile.x0, tile.y0], dtype=torch.float32)
    return Candidates(
        boxes[whole] / tile.scale + start.repeat(2),
        scores[chosen][whole],
        landmarks[whole] / tile.scale + start,
        upright[whole],
        boxes[whole, 2] - boxes[whole, 0],
        torch.zeros(len(whole), dtype=torch.bool),
    )


def _turn_back(points: Tensor, turn: int, height: int, width: int) -> Tensor:
    """Points N x K x 2 of a tile that `rot90` turned (then height x width) to points of the tile itself."""
    x, y = points.unbind(-1)
    turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[turn]
    return torch.stack(turned, dim=-1)


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
        turned = _search_turned(image, detector, found.boxes[index], int(quarter[index]))
        heads[index] = turned or replace(heads[index], wrong_way=torch.tensor([True]))
    return replace(Candidates.join(heads), scores=both) if heads else found


def _search_turned(image: Tensor, detector: FaceDetector, box: Tensor, quarter: int) -> Candidates | None:
    """Search the surroundings of a box once more, turned back by quarter turns; None where there is no such head."""
    height, width = image.shape[1:]
    x0, y0, x1, y1 = box.tolist()
    reach = TURNED_REACH * max(x1 - x0, y1 - y0)
    # A power of two, as tiles want it.
    scale = 2.0 ** round(math.log2(TURNED_SEEN / max(x1 - x0, y1 - y0)))
    left, top = max(math.floor((x0 + x1) / 2 - reach), 0), max(math.floor((y0 + y1) / 2 - reach), 0)
    right, bottom = min(math.ceil((x0 + x1) / 2 + reach), width), min(math.ceil((y0 + y1) / 2 + reach), height)
    tile = Tile(left, top, right, bottom, scale)
    shown = tile.cut(image[None]).to(next(detector.parameters()).device, torch.float32)
    outputs = [output.cpu()[0] for output in detector(shown.rot90(quarter, (2, 3)))]
    found = _on_image(*outputs, tile=tile, turn=quarter, size=(height, width), threshold=PROPOSED)
    same = (box_iou(box[None], found.boxes)[0] > SAME_FACE_IOU) & (quarter_of(found.landmarks) == quarter)
    found = found[same.nonzero()[:, 0]]
    return found[found.scores.argmax()[None]] if len(found.scores) else None


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

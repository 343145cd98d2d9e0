"""Face detection with RetinaFace on pictures of any size.

Convention: boxes and landmarks are the network's own numbers, as facexlib and the scripts built on it use
them: anchors lie at (column + 0.5) * stride, and what is found in a resized picture is scaled back by the
ratio of the sizes. Those scripts take the numbers for pixel coordinates with pixel centres at integers, and
so does this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from ..checks import all_finite
from ..errors import ImageError
from ..types import Face, Faces
from .boxes import box_iou, nms
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
from .tiles import Pyramid, Tile, plan_tiles, smallest_face

REFINER_PREFIX = "refine."
# Pixels the network sees in one pass, over all images of a batch that share it.
PASS_PIXELS = 2_000_000
# Boxes that overlap more than this are one face (facexlib's default); those that overlap more than
# SAME_BOX_IOU vote.
SAME_FACE_IOU = 0.4
SAME_BOX_IOU = 0.6
# A box that lies this much inside a better one is part of that face. One that has this much of a better one inside
# is that face framed too wide (a head with its shoulders), unless the areas differ more than CLOSE_AREAS.
INSIDE = 0.7
CLOSE_AREAS = 0.15
# Landmarks of faces that the network saw smaller than this are coarse and count for less in the vote.
CLEARLY_SEEN = 48


class FaceDetector(nn.Module):
    """A RetinaFace with an optional landmark refiner, in eval mode and without gradients."""

    def __init__(self, network: RetinaFace, refiner: LandmarkRefiner | None) -> None:
        super().__init__()
        self.network = network
        self.refiner = refiner
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


def build_detector(state_dict: Mapping[str, Tensor]) -> FaceDetector:
    """Build a face detector from the tensors of a checkpoint.

    Args:
        state_dict: a RetinaFace (mobile0.25 or ResNet-50) with facexlib's tensor names, with or without the
            prefix `module.`; tensors under `refine.` are a landmark refiner's.

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
    return FaceDetector(load_retinaface(network), load_refiner(refiner) if refiner else None)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Detections on one image.

    Attributes:
        boxes: N x 4, in the image's pixels.
        scores: N, 0..1.
        landmarks: N x 5 x 2, in the image's pixels.
        upright: N, -1..1; how upright the head was as the network saw it, see `_uprightness`.
        seen: N; width of the box as the network saw it.
    """

    boxes: Tensor
    scores: Tensor
    landmarks: Tensor
    upright: Tensor
    seen: Tensor

    def __getitem__(self, index: Tensor) -> _Candidates:
        return _Candidates(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def join(parts: list[_Candidates]) -> _Candidates:
        return _Candidates(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(_Candidates)))


@torch.inference_mode()
def detect(
    images: Tensor,
    detector: FaceDetector,
    *,
    score_threshold: float = 0.7,
    min_face_size: float = 0,
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
    4. The landmarks are refined on an upright crop of each face, if the detector brings a refiner.

    Args:
        images: B x 3 x H x W in 0..1, on any device; read tile by tile, never copied as a whole.
        detector: from `build_detector`, on the device it is to run on.
        score_threshold: the least confidence of a face, 0..1.
        min_face_size: the least larger side of a face's box in pixels. The smaller, the finer (and slower)
            the search. 0 is as much as faces in such a picture have, see `smallest_face`.
        max_faces: keep only this many faces of each image, the most confident ones; 0 keeps all.
        rotated: also find heads that lie on their side or upside down (four times the work).
        refine: use the detector's landmark refiner, if it has one.
        progress: called with (done, total) after each pass of the network; what it raises ends the search.

    Returns:
        The faces, image by image and by falling score.

    Raises:
        ImageError: the images are of another shape, without pixels, or hold NaN or infinity.
    """
    _check(images)
    count, _, height, width = images.shape
    sizes = ((height, width),) * count
    if count == 0:
        return Faces((), sizes)
    min_face_size = min_face_size or smallest_face((height, width))
    turns = (0, 1, 2, 3) if rotated else (0,)
    found: list[list[_Candidates]] = [[] for _ in range(count)]
    for first, parts in _search(images, detector, turns, score_threshold, min_face_size, progress):
        for offset, part in enumerate(parts):
            found[first + offset].append(part)
    refiner = detector.refiner if refine else None
    faces: list[Face] = []
    for index, parts in enumerate(found):
        merged = _merge(_Candidates.join(parts))
        large = (merged.boxes[:, 2:] - merged.boxes[:, :2]).amax(1) >= min_face_size
        merged = merged[large.nonzero()[:, 0]]
        if max_faces > 0:
            merged = merged[torch.arange(min(max_faces, len(merged.scores)))]
        faces += _faces(images[index], index, merged, refiner)
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


def _search(
    images: Tensor,
    detector: FaceDetector,
    turns: tuple[int, ...],
    score_threshold: float,
    min_face_size: float,
    progress: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, list[_Candidates]]]:
    """Run the network over all tiles; yields the index of each pass's first image and its candidates."""
    device = next(detector.parameters()).device
    size = (images.shape[2], images.shape[3])
    jobs: list[tuple[Tile, int, int]] = []
    for tile in plan_tiles(size, min_face_size):
        stack = max(PASS_PIXELS // (tile.seen[0] * tile.seen[1]), 1)
        jobs += [(tile, first, min(first + stack, len(images))) for first in range(0, len(images), stack)]
    pyramid = Pyramid(images)
    for done, (tile, first, last) in enumerate(jobs):
        shown = pyramid.cut(tile, first, last).to(device, torch.float32)
        for turn in turns:
            outputs = [output.cpu() for output in detector(shown.rot90(turn, (2, 3)))]
            yield (
                first,
                [
                    _on_image(*output, tile=tile, turn=turn, size=size, threshold=score_threshold)
                    for output in zip(*outputs, strict=True)
                ],
            )
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
) -> _Candidates:
    """Decode one image's outputs on one turned tile: a candidate per face it holds, in the image's pixels."""
    height, width = tile.seen if turn % 2 == 0 else tile.seen[::-1]
    chosen = (scores >= threshold).nonzero()[:, 0]
    at = anchors(height, width)[chosen]
    boxes = decode_boxes(box_regressions[chosen], at)
    landmarks = decode_landmarks(landmark_regressions[chosen], at)
    upright = _uprightness(landmarks)
    corners = _turn_back(boxes.view(-1, 2, 2), turn, height, width)
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=1)
    landmarks = _turn_back(landmarks, turn, height, width)
    whole = tile.holds(boxes, size).nonzero()[:, 0]
    whole = whole[nms(boxes[whole], scores[chosen][whole], SAME_FACE_IOU)]
    start = torch.tensor([tile.x0, tile.y0], dtype=torch.float32)
    return _Candidates(
        boxes[whole] / tile.scale + start.repeat(2),
        scores[chosen][whole],
        landmarks[whole] / tile.scale + start,
        upright[whole],
        boxes[whole, 2] - boxes[whole, 0],
    )


def _uprightness(landmarks: Tensor) -> Tensor:
    """Cosine of the angle between the downward direction and the line from the eyes to the mouth."""
    down = landmarks[:, 3:].mean(1) - landmarks[:, :2].mean(1)
    return down[:, 1] / down.norm(dim=1).clamp(min=1e-6)


def _turn_back(points: Tensor, turn: int, height: int, width: int) -> Tensor:
    """Points N x K x 2 of a tile that `rot90` turned (then height x width) to points of the tile itself."""
    x, y = points.unbind(-1)
    turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[turn]
    return torch.stack(turned, dim=-1)


def _merge(candidates: _Candidates) -> _Candidates:
    """One detection per face, by falling score."""
    # A head is seen best where it is upright: of two equally confident answers that one leads.
    rank = candidates.scores * (1 + 0.1 * candidates.upright)
    leaders = nms(candidates.boxes, rank, SAME_FACE_IOU)
    leaders = leaders[~_badly_framed(candidates.boxes[leaders])]
    overlap = box_iou(candidates.boxes[leaders], candidates.boxes)
    agree = (candidates.upright[leaders, None] - candidates.upright).abs() < 0.3
    weight = candidates.scores * (candidates.seen / CLEARLY_SEEN).clamp(max=1).square()
    votes = torch.where((overlap > SAME_BOX_IOU) & agree, weight, 0.0)
    votes = votes / votes.sum(1, keepdim=True)
    merged = _Candidates(
        votes @ candidates.boxes,
        candidates.scores[leaders],
        (votes @ candidates.landmarks.flatten(1)).view(-1, 5, 2),
        candidates.upright[leaders],
        candidates.seen[leaders],
    )
    return merged[merged.scores.argsort(descending=True, stable=True)]


def _badly_framed(boxes: Tensor) -> Tensor:
    """Which of these boxes N x 4, best first, frame a better one's face again, too tight or too wide."""
    corners = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    shared = corners.clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    smaller, larger = torch.minimum(area[:, None], area), torch.maximum(area[:, None], area)
    same = (shared > INSIDE * smaller) & ((area[:, None] < area) | (smaller > CLOSE_AREAS * larger))
    return same.tril(-1).any(1)


def _faces(image: Tensor, index: int, found: _Candidates, refiner: LandmarkRefiner | None) -> list[Face]:
    landmarks = found.landmarks.numpy()
    if refiner is not None:
        landmarks = refine_landmarks(image, landmarks, refiner)
    return [
        Face(tuple(box), score, points, image_index=index)
        for box, score, points in zip(found.boxes.tolist(), found.scores.tolist(), landmarks, strict=True)
    ]

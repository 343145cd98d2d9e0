"""Many detections to one box a face.

Convention: boxes N x 4 are (x0, y0, x1, y1) in the image's pixels, landmarks N x 5 x 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .boxes import box_iou, nms
from .classify import QUARTERS

# Boxes that overlap more than this are one face (facexlib's default); those that overlap more than
# SAME_BOX_IOU vote.
SAME_FACE_IOU = 0.4
SAME_BOX_IOU = 0.6
# Heads that touch overlap less than this: what overlaps a better box more frames half of it.
ASIDE_IOU = 0.25
# A box that lies this much inside a better one is part of that face; one that has this much of a better one inside is
# that face framed too wide, such as a head with its shoulders.
INSIDE = 0.7
# Landmarks of faces that the network saw smaller than this are coarse and count for less in the vote.
CLEARLY_SEEN = 48
# A head reaches so many sides of its box from its centre; what is this many times smaller is much smaller.
HEAD_REACH = 0.9
MUCH_LARGER = 6
# Cosine of the angle between what two detections take for the direction of one head.
SAME_DIRECTION = 0.7


@dataclass(frozen=True, eq=False)
class Candidates:
    """Detections on one image.

    Attributes:
        boxes: N x 4, in the image's pixels.
        scores: N, 0..1.
        landmarks: N x 5 x 2, in the image's pixels.
        upright: N, -1..1; how upright the head was as the network saw it, see `uprightness`.
        seen: N; width of the box as the network saw it.
        wrong_way: N bool; the head lies otherwise than its landmarks say.
    """

    boxes: Tensor
    scores: Tensor
    landmarks: Tensor
    upright: Tensor
    seen: Tensor
    wrong_way: Tensor

    def __getitem__(self, index: Tensor) -> Candidates:
        return Candidates(*(getattr(self, field.name)[index] for field in fields(self)))

    @staticmethod
    def join(parts: list[Candidates]) -> Candidates:
        return Candidates(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Candidates)))


def uprightness(landmarks: Tensor) -> Tensor:
    """Cosine of the angle between the downward direction and the line from the eyes to the mouth."""
    return _down(landmarks)[:, 1]


def _down(landmarks: Tensor) -> Tensor:
    """Direction from the eyes to the mouth, N x 2 of length 1."""
    down = landmarks[:, 3:].mean(1) - landmarks[:, :2].mean(1)
    return down / down.norm(dim=1, keepdim=True).clamp(min=1e-6)


def quarter_of(landmarks: Tensor) -> Tensor:
    """By how many quarter turns clockwise heads are turned, after their landmarks N x 5 x 2; N."""
    down = _down(landmarks)
    # Upright, the mouth lies below the eyes; turned clockwise, to the left of them.
    return torch.round(torch.atan2(-down[:, 0], down[:, 1]) / (math.pi / 2)).long() % QUARTERS


def merge(candidates: Candidates) -> Candidates:
    """One detection per group of boxes that overlap, by falling score."""
    # A head is seen best where it is upright: of two equally confident answers that one leads.
    rank = candidates.scores * (1 + 0.1 * candidates.upright)
    leaders = nms(candidates.boxes, rank, SAME_FACE_IOU)
    if len(leaders) == 0:
        return candidates[leaders]
    overlap = box_iou(candidates.boxes[leaders], candidates.boxes)
    # Each detection votes for one face alone: of two heads that touch, none is drawn towards the other.
    own = overlap == overlap.amax(0)
    # Nor do detections of one head that take it to lie in different directions.
    down = _down(candidates.landmarks)
    agree = down[leaders] @ down.T > SAME_DIRECTION
    # The leader always votes: a box without an area overlaps nothing, not even itself.
    leads = torch.zeros_like(own)
    leads[torch.arange(len(leaders)), leaders] = True
    weight = (candidates.scores * (candidates.seen / CLEARLY_SEEN).clamp(max=1).square()).clamp(min=1e-9)
    votes = torch.where(((overlap > SAME_BOX_IOU) & own & agree) | leads, weight, 0.0)
    votes = votes / votes.sum(1, keepdim=True)
    merged = Candidates(
        votes @ candidates.boxes,
        candidates.scores[leaders],
        (votes @ candidates.landmarks.flatten(1)).view(-1, 5, 2),
        candidates.upright[leaders],
        candidates.seen[leaders],
        candidates.wrong_way[leaders],
    )
    return merged[merged.scores.argsort(descending=True, stable=True)]


def best_framed(found: Candidates) -> Candidates:
    """Without the boxes that frame a better one's face again, too tight, too wide or aside; by falling score."""
    found = found[nms(found.boxes, found.scores, ASIDE_IOU)]
    return found[(~_badly_framed(found.boxes)).nonzero()[:, 0]]


def beside_much_larger(boxes: Tensor) -> Tensor:
    """Which of these boxes N x 4 lie on or beside the head of a far larger one: earrings, buttons, eyes; N bool."""
    sides, centres = (boxes[:, 2:] - boxes[:, :2]).amax(1), (boxes[:, 2:] + boxes[:, :2]) / 2
    far = (centres[:, None] - centres).abs().amax(-1)
    return ((far < HEAD_REACH * sides) & (sides[:, None] * MUCH_LARGER < sides)).any(1)


def _badly_framed(boxes: Tensor) -> Tensor:
    """Which of these boxes N x 4, best first, frame a better one's face again, too tight or too wide."""
    corners = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    shared = corners.clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    same = shared > INSIDE * torch.minimum(area[:, None], area)
    return same.tril(-1).any(1)

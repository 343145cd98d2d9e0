"""Merge detections to one box per face.

Convention: boxes N x 4 are (x0, y0, x1, y1) in the image's pixels, landmarks N x 5 x 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .boxes import box_iou, nms
from .classify import QUARTERS

# Boxes that overlap more than this are the same face (facexlib's default); boxes that overlap more than SAME_BOX_IOU
# vote.
SAME_FACE_IOU = 0.4
SAME_BOX_IOU = 0.6
# Touching heads overlap less than this; a box that overlaps a better one more is a second frame of half the same face.
ASIDE_IOU = 0.25
# A box with at least this share inside a better box is a part of that face; a box that contains this share of a
# better box is a too wide frame of that face, such as a head with shoulders.
INSIDE = 0.7
# Landmarks of faces that the network saw smaller than this are coarse and have less weight in the vote.
CLEARLY_SEEN = 48
# Reach of a head from its centre in sides of its box, and the ratio from which a box is much smaller.
HEAD_REACH = 0.9
MUCH_LARGER = 6
# Minimum cosine of the angle between the head directions of two detections of one head.
SAME_DIRECTION = 0.7


@dataclass(frozen=True, eq=False)
class Candidates:
    """Detections on one image.

    Attributes:
        boxes: N x 4, in the image's pixels.
        scores: N, 0..1.
        landmarks: N x 5 x 2, in the image's pixels.
        upright: N, -1..1; how upright the head was in the view of the network, see `uprightness`.
        seen: N; width of the box in the view of the network.
        wrong_way: N bool; the orientation of the head differs from its landmarks.
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
    """Unit vectors from the eyes to the mouth, N x 2."""
    down = landmarks[:, 3:].mean(1) - landmarks[:, :2].mean(1)
    return down / down.norm(dim=1, keepdim=True).clamp(min=1e-6)


def quarter_of(landmarks: Tensor) -> Tensor:
    """Number of clockwise quarter turns of heads according to their landmarks N x 5 x 2; N."""
    down = _down(landmarks)
    # In an upright head the mouth is below the eyes; after a clockwise turn, to the left of them.
    return torch.round(torch.atan2(-down[:, 0], down[:, 1]) / (math.pi / 2)).long() % QUARTERS


def merge(candidates: Candidates) -> Candidates:
    """One detection per group of overlapping boxes, by descending score."""
    # Upright heads are detected best, so of two equally confident detections the more upright one leads.
    rank = candidates.scores * (1 + 0.1 * candidates.upright)
    leaders = nms(candidates.boxes, rank, SAME_FACE_IOU)
    if len(leaders) == 0:
        return candidates[leaders]
    overlap = box_iou(candidates.boxes[leaders], candidates.boxes)
    # Each detection votes for only one face, so that touching heads do not attract each other.
    own = overlap == overlap.amax(0)
    # Nor are detections merged that disagree about the direction of the head.
    down = _down(candidates.landmarks)
    agree = down[leaders] @ down.T > SAME_DIRECTION
    # The leader always votes: a box without area does not even overlap itself.
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
    """Remove boxes that frame the face of a better box too tightly, too widely or off-centre; by descending score."""
    found = found[nms(found.boxes, found.scores, ASIDE_IOU)]
    return found[(~_badly_framed(found.boxes)).nonzero()[:, 0]]


def beside_much_larger(boxes: Tensor) -> Tensor:
    """Which boxes N x 4 are on or beside the head of a much larger one, such as earrings, buttons or eyes; N bool."""
    sides, centres = (boxes[:, 2:] - boxes[:, :2]).amax(1), (boxes[:, 2:] + boxes[:, :2]) / 2
    far = (centres[:, None] - centres).abs().amax(-1)
    return ((far < HEAD_REACH * sides) & (sides[:, None] * MUCH_LARGER < sides)).any(1)


def _badly_framed(boxes: Tensor) -> Tensor:
    """Which boxes N x 4, best first, frame the face of a better box too tightly or too widely."""
    corners = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    shared = corners.clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    same = shared > INSIDE * torch.minimum(area[:, None], area)
    return same.tril(-1).any(1)

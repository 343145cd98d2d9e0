"""What restoring has changed of each face."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..checks import require_same_shape
from ..types import Alignment
from .place import Place, find_place, overlap

# A value that moves by less than half a level of 8 bits is the same in a file of 8 bits.
_SEEN = 0.5
# Where a mask is thinner, black pasted on white would not be seen.
_THINNEST = _SEEN / 255


@dataclass(frozen=True)
class Change:
    """How the pixels of one face have changed; where masks overlap, a pixel is that of the face with the best claim.

    Attributes:
        share: of its pixels, 0..1, those of which a channel moved by more than half a level of 8 bits.
        mean: mean of the amounts by which its pixels' channels moved, in levels of 8 bits.
        largest: the largest of these amounts.
    """

    share: float
    mean: float
    largest: float


def measure_changes(
    before: torch.Tensor, after: torch.Tensor, alignments: tuple[Alignment, ...], masks: torch.Tensor
) -> tuple[Change | None, ...]:
    """Compare pictures before and after restoring, face by face; only the surroundings of the faces are looked at.

    Args:
        before: B x 3 x H x W in 0..1.
        after: the same shape.
        alignments: as `align_faces` gave them for these pictures.
        masks: N x 1 x M x M in 0..1, with which the crops were pasted.

    Returns:
        For each face its change, or None where no pixel of the picture is its own.

    Raises:
        ImageError: the pictures differ in shape.
    """
    require_same_shape(before, after)
    masks = masks.to(before)
    changes: list[Change | None] = [None] * len(alignments)
    for index in sorted({alignment.image_index for alignment in alignments}):
        numbers = [n for n, alignment in enumerate(alignments) if alignment.image_index == index]
        found = {n: find_place(masks[n : n + 1], alignments[n]) for n in numbers}
        places = {n: place for n, place in found.items() if place is not None}
        for n, place in places.items():
            others = [other for other in places.values() if other is not place]
            changes[n] = _change_within(before[index][place.area], after[index][place.area], _own_pixels(place, others))
    return tuple(changes)


def _own_pixels(place: Place, others: list[Place]) -> torch.Tensor:
    """h x w: where the mask of a face can change anything, and no other face has a better claim."""
    own = place.cover > _THINNEST
    for other in others:
        shared = overlap(place, other)
        if shared:
            here, there = shared
            own[here] &= place.weight[here] >= other.weight[there]
    return own[0]


def _change_within(before: torch.Tensor, after: torch.Tensor, own: torch.Tensor) -> Change | None:
    if not own.any():
        return None
    moved = 255 * (after[:, own] - before[:, own]).abs()
    share = (moved.amax(dim=0) > _SEEN).float().mean()
    return Change(float(share), float(moved.mean()), float(moved.max()))

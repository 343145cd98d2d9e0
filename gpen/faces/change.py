"""Measure how much the restoration changed each face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..checks import require_same_shape
from ..progress import Steps, no_steps
from ..types import Alignment
from .place import Place, find_places, overlap

# A change of less than half an 8-bit level is invisible in an 8-bit file.
_SEEN = 0.5
# Below this mask value, even black pasted on white would be invisible.
_THINNEST = _SEEN / 255


@dataclass(frozen=True)
class Change:
    """Change of the pixels of one face; where masks overlap, each pixel belongs to the face with the strongest claim.

    Attributes:
        share: share of its pixels, 0..1, with a channel that changed by more than half an 8-bit level.
        mean: mean absolute change of its channels, in 8-bit levels.
        largest: largest absolute change, in 8-bit levels.
    """

    share: float
    mean: float
    largest: float


def measure_changes(
    before: torch.Tensor,
    after: torch.Tensor,
    alignments: tuple[Alignment, ...],
    masks: torch.Tensor | None = None,
    *,
    places: Sequence[Place | None] | None = None,
    progress: Steps = no_steps,
) -> tuple[Change | None, ...]:
    """Compare pictures before and after the restoration, face by face; only the areas of the faces are read.

    Args:
        before: B x 3 x H x W in 0..1.
        after: the same shape.
        alignments: result of `align_faces` for these pictures.
        masks: N x 1 x M x M in 0..1, the paste masks of the crops; not needed if `places` are given.
        places: the result of `find_places` for these masks, if it is known already.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        The change of each face, or None if no pixel of the picture belongs to it.

    Raises:
        ImageError: the pictures differ in shape.
    """
    require_same_shape(before, after)
    if places is None:
        assert masks is not None
        places = find_places(masks.to(before), alignments)
    changes: list[Change | None] = [None] * len(alignments)
    for index in sorted({alignment.image_index for alignment in alignments}):
        own = {n: place for n, place in enumerate(places) if place and place.alignment.image_index == index}
        for n, place in own.items():
            progress(n, len(alignments))
            others = [other for other in own.values() if other is not place]
            changes[n] = _change_within(before[index][place.area], after[index][place.area], _own_pixels(place, others))
    return tuple(changes)


def _own_pixels(place: Place, others: list[Place]) -> torch.Tensor:
    """h x w: where the mask of a face has an effect and no other face has a stronger claim."""
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
    largest, total = torch.zeros_like(before[0]), 0.0
    for one, other in zip(before, after, strict=True):
        moved = (other - one).abs_().mul_(255).mul_(own)
        torch.maximum(largest, moved, out=largest)
        total += float(moved.sum())
    count = int(own.sum())
    share = int((largest > _SEEN).sum()) / count
    return Change(share, total / (len(before) * count), float(largest.max()))

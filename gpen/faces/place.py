"""Position of a crop in its image.

Convention: an area is the rows and columns of a C x H x W image; matrices are those of `warp`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from ..pixels.warp import compose, matrix_scale, resize_matrix, shift_matrix, transformed_bounds, warp
from ..progress import Steps, each, no_steps
from ..types import Alignment, Size
from .align import crop_to_image_matrix

# Reason why nothing is pasted if `find_place` returns None.
NO_PIXELS = "no pixel of the picture lies within its mask"
# And if that is so because of the area.
NOT_IN_AREA = "it lies where nothing may change"


@dataclass(frozen=True, eq=False)
class Place:
    """Position of one crop in its image.

    Attributes:
        mask: 1 x 1 x M x M, mask of the crop.
        alignment: alignment of the crop.
        area: rows and columns of a C x H x W image that the mask covers.
        cover: 1 x h x w, the mask in that area.
        weight: 1 x h x w, weight of this face where masks overlap.
    """

    mask: torch.Tensor
    alignment: Alignment
    area: tuple[slice, slice, slice]
    cover: torch.Tensor
    weight: torch.Tensor

    @property
    def size(self) -> Size:
        """(height, width) of the area."""
        return self.cover.shape[-2], self.cover.shape[-1]

    def area_to_crop_matrix(self, crop_size: int) -> np.ndarray:
        """The matrix from pixels of the area to those of the crop, resized to a given side."""
        return _area_to_crop_matrix(self.alignment, crop_size, self.area[1], self.area[2])


@dataclass(frozen=True, eq=False)
class Cover:
    """The mask of one crop in its image.

    Attributes:
        rows, columns: the area of the image that the mask covers.
        values: h x w in 0..1, the mask in that area; it is 0 elsewhere.
    """

    rows: slice
    columns: slice
    values: torch.Tensor

    @classmethod
    def of(cls, place: Place) -> Cover:
        """The cover of a place, on the CPU."""
        return cls(*place.area[1:], place.cover[0].cpu())


def find_places(
    masks: torch.Tensor,
    alignments: tuple[Alignment, ...],
    *,
    area: torch.Tensor | None = None,
    progress: Steps = no_steps,
) -> tuple[Place | None, ...]:
    """Map masks to their images; None for a mask that contains no pixel of its image.

    Args:
        masks: N x 1 x M x M in 0..1.
        alignments: one for each.
        area: B x 1 x H x W in 0..1: where the images may change; None: everywhere.
        progress: called with (done, total) regularly; an exception it raises ends the work.
    """
    found = []
    for (mask, alignment), _ in each(list(zip(masks, alignments, strict=True)), progress):
        own = None if area is None else area[alignment.image_index]
        found.append(find_place(mask[None], alignment, own))
    return tuple(found)


def find_place(mask: torch.Tensor, alignment: Alignment, area: torch.Tensor | None = None) -> Place | None:
    """Map a mask, 1 x 1 x M x M, to the image, within an area, 1 x H x W; None if it contains no pixel of both."""
    used_rows, used_columns = mask[0, 0].amax(dim=1).nonzero(), mask[0, 0].amax(dim=0).nonzero()
    if not len(used_rows):
        return None
    top, left = int(used_rows[0]) - 1, int(used_columns[0]) - 1
    extent = (int(used_rows[-1]) - top + 2, int(used_columns[-1]) - left + 2)
    to_image = compose(crop_to_image_matrix(alignment, mask.shape[-1]), shift_matrix(left, top))
    x0, y0, x1, y1 = transformed_bounds(to_image, extent)
    height, width = alignment.image_size
    rows = slice(max(math.floor(y0), 0), min(math.ceil(y1) + 1, height))
    columns = slice(max(math.floor(x0), 0), min(math.ceil(x1) + 1, width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return None
    matrix = _area_to_crop_matrix(alignment, mask.shape[-1], rows, columns)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    cover = warp(mask, matrix, size, mode="bilinear", border="zeros")[0].clamp(0, 1)
    if area is not None:
        cover = cover * area[:, rows, columns].to(cover)
    if not cover.any():
        return None
    side = alignment.crop_size / matrix_scale(alignment.matrix)
    return Place(mask, alignment, (slice(None), rows, columns), cover, (cover**2 * side) ** 2)


def _area_to_crop_matrix(alignment: Alignment, crop_size: int, rows: slice, columns: slice) -> np.ndarray:
    scale = crop_size / alignment.crop_size
    return compose(resize_matrix(scale, scale), compose(alignment.matrix, shift_matrix(columns.start, rows.start)))


def overlap(place: Place, other: Place) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Intersection of the areas of two places, in the coordinates of each; None if they do not intersect."""
    spans = [
        (max(one.start, another.start), min(one.stop, another.stop))
        for one, another in zip(place.area[1:], other.area[1:], strict=True)
    ]
    if any(start >= stop for start, stop in spans):
        return None
    return _shared(place, spans), _shared(other, spans)


def _shared(place: Place, spans: list[tuple[int, int]]) -> tuple[slice, ...]:
    """Rows and columns of the image as those of a place's area."""
    origins = (side.start for side in place.area[1:])
    return slice(None), *(slice(a - origin, b - origin) for (a, b), origin in zip(spans, origins, strict=True))

"""Where a detector looks: an image pyramid cut into overlapping tiles, so that memory does not grow with the
picture.

Convention: a tile is a rectangle of the picture in whole pixels; the network sees it at `scale`, a power of
two, and what it finds at x lies at `x0 + x / scale` in the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...types import Size

# The network sees the smallest wanted face at least this wide: the bundled detector finds all of 64 held-out faces
# that are 20 px wide or wider, and 56 of them at 16 px, RetinaFace's smallest anchor.
SMALLEST_SEEN = 24
# The finest level has about so many pixels where it may: small pictures are searched at twice their size, and only
# larger ones begin coarser for the sake of a large smallest face. Faces are found more surely on several levels.
FINE_PIXELS = 4_000_000
# From level to level sizes halve; the last level's longer side is at most this, so that a face that fills the
# picture fits the largest anchor.
COARSEST_SIDE = 480
# Tile side and overlap as the network sees them. What an edge cuts is whole in the neighbouring tile if it is
# smaller than the overlap; what is larger is smaller on a coarser level, and the coarsest has a single tile.
TILE_SIDE = 1408
OVERLAP = 256
# A box that ends within this many pixels (as the network sees them) of an inner edge may have been cut by it.
EDGE = 8
# Picture pixels that are shrunk at a time.
STRIP_PIXELS = 4_000_000
# Unless asked for, faces smaller than this are not sought, nor those smaller than this share of the side of a square of
# the picture's area: on a print of 50 x 33 cm, 4 mm. In 24 megapixels that is 49 px, and a quarter of the search.
SMALLEST_FACE, SHARE = 16, 0.01
# Levels coarser than this are made from the picture reduced by it, which is kept: reading a large picture is what they
# cost.
KEPT_REDUCTION = 4


def smallest_face(size: Size) -> float:
    """The least larger side of a face's box that is worth a search in pictures of this (height, width), in pixels."""
    return max(SMALLEST_FACE, SHARE * math.sqrt(size[0] * size[1]))


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture (x0, y0 inclusive, x1, y1 exclusive) and the scale the network sees it at."""

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float

    @property
    def seen(self) -> Size:
        """(height, width) as the network sees the tile."""
        return math.ceil((self.y1 - self.y0) * self.scale), math.ceil((self.x1 - self.x0) * self.scale)

    def cut(self, images: Tensor) -> Tensor:
        """The tile of B x C x H x W images as the network sees it: a view, or averaged or enlarged pixels."""
        part = images[:, :, self.y0 : self.y1, self.x0 : self.x1]
        if self.scale == 1:
            return part
        if self.scale > 1:
            return F.interpolate(part, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return reduce(part, round(1 / self.scale))

    def holds(self, boxes: Tensor, picture: Size) -> Tensor:
        """Which boxes N x 4 (in pixels seen) no inner edge cuts; the picture's own edges do not count."""
        height, width = self.seen
        inner = torch.tensor([self.x0 > 0, self.y0 > 0, self.x1 < picture[1], self.y1 < picture[0]])
        room = boxes * boxes.new_tensor([1, 1, -1, -1]) + boxes.new_tensor([0, 0, width, height])
        return ((room >= EDGE) | ~inner).all(1)


class Pyramid:
    """The levels of B x C x H x W images, tile by tile; for the coarse ones a reduced copy is kept, a sixteenth."""

    def __init__(self, images: Tensor) -> None:
        self._images = images
        self._reduced: Tensor | None = None

    def cut(self, tile: Tile, first: int, last: int) -> Tensor:
        """A tile of the images from `first` to `last` (exclusive) as the network sees it."""
        if tile.scale * KEPT_REDUCTION > 1:
            return tile.cut(self._images[first:last])
        if self._reduced is None:
            self._reduced = reduce(self._images, KEPT_REDUCTION)
        corners = (tile.x0, tile.y0, tile.x1, tile.y1)  # whole blocks, but for the picture's own edges
        x0, y0, x1, y1 = (math.ceil(corner / KEPT_REDUCTION) for corner in corners)
        return Tile(x0, y0, x1, y1, tile.scale * KEPT_REDUCTION).cut(self._reduced[first:last])


def reduce(images: Tensor, block: int) -> Tensor:
    """Average blocks of pixels, a power of two wide and high; those at the lower and right edge may be smaller."""
    # Resampling wants contiguous memory: in strips, the copy of a large rectangle stays small.
    rows = max(STRIP_PIXELS // (len(images) * images.shape[3]) // block, 1) * block
    return torch.cat([_halved(strip, block.bit_length() - 1) for strip in images.split(rows, dim=2)], dim=2)


def _halved(images: Tensor, times: int) -> Tensor:
    for _ in range(times):
        odd_row, odd_column = images.shape[2] % 2, images.shape[3] % 2
        if odd_row or odd_column:
            images = F.pad(images, (0, odd_column, 0, odd_row), mode="replicate")
        # The mean of two by two pixels, several times faster than by pooling.
        images = F.interpolate(images, scale_factor=0.5, mode="bilinear", align_corners=False)
    return images


def halves(tile: Tile) -> tuple[Tile, ...]:
    """Two tiles instead of one, for where memory is short; none where it is so small that the faces in it may be large.

    They overlap as tiles do: what the new edge cuts is whole in the other one, or smaller on a coarser level.
    """
    height, width = tile.seen
    if max(height, width) <= COARSEST_SIDE:
        return ()
    block = max(round(1 / tile.scale), 1)
    overlap = math.ceil(OVERLAP / tile.scale / 2 / block) * block
    if width >= height:
        middle = tile.x0 + (tile.x1 - tile.x0) // 2 // block * block
        return replace(tile, x1=min(middle + overlap, tile.x1)), replace(tile, x0=max(middle - overlap, tile.x0))
    middle = tile.y0 + (tile.y1 - tile.y0) // 2 // block * block
    return replace(tile, y1=min(middle + overlap, tile.y1)), replace(tile, y0=max(middle - overlap, tile.y0))


def plan_tiles(size: Size, min_face_size: float) -> list[Tile]:
    """The tiles of all pyramid levels, finest first, for pictures of this (height, width)."""
    pixels = size[0] * size[1]
    scale = 2.0 if pixels * 4 <= FINE_PIXELS else 1.0
    while min_face_size * scale / 2 >= SMALLEST_SEEN and pixels * scale**2 > FINE_PIXELS:
        scale /= 2
    tiles = _tiles_of_level(size, scale)
    while max(size) * scale > COARSEST_SIDE:
        scale /= 2
        tiles += _tiles_of_level(size, scale)
    return tiles


def _tiles_of_level(size: Size, scale: float) -> list[Tile]:
    return [Tile(x0, y0, x1, y1, scale) for y0, y1 in _spans(size[0], scale) for x0, x1 in _spans(size[1], scale)]


def _spans(length: int, scale: float) -> list[tuple[int, int]]:
    """Cut a side into overlapping spans of about equal length."""
    side, overlap = round(TILE_SIDE / scale), round(OVERLAP / scale)
    count = max(math.ceil((length - overlap) / (side - overlap)), 1)
    if count == 1:
        return [(0, length)]
    # On the network's coarsest stride, 32, tiles see what the whole picture would have shown.
    grid = round(32 / scale)
    step = math.ceil((length - overlap) / count / grid) * grid
    return [(start, min(start + step + overlap, length)) for start in range(0, length - overlap, step)]

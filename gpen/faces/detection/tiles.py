"""Image pyramid cut into overlapping tiles, so that the memory of a detector does not grow with the picture.

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

# Minimum width at which the network sees the smallest face: the bundled detector finds all of 64 held-out faces from
# 20 px on, and 56 of them at 16 px, RetinaFace's smallest anchor.
SMALLEST_SEEN = 24
# Target number of pixels of the finest level: small pictures are searched at twice their size, and only larger ones
# begin at a coarser level if the smallest face is large. Several levels make detection more reliable.
FINE_PIXELS = 4_000_000
# Each level has half the size of the one before. The longer side of the last level is at most this, so that a face
# that fills the picture fits the largest anchor.
COARSEST_SIDE = 480
# Side and overlap of tiles as the network sees them. A face cut by an edge is complete in the neighbouring tile if it
# is smaller than the overlap; larger faces are found on a coarser level, of which the coarsest has a single tile.
TILE_SIDE = 1408
OVERLAP = 256
# A box that ends within this many pixels (as the network sees them) of an inner edge may be cut.
EDGE = 8
# Picture pixels to reduce at a time.
STRIP_PIXELS = 4_000_000
# By default, faces smaller than this are not searched, nor those smaller than this share of the square root of the
# picture's area: 4 mm on a print of 50 x 33 cm. At 24 megapixels that is 49 px, which reduces the search to a quarter.
SMALLEST_FACE, SHARE = 16, 0.01
# Coarser levels are made from a cached copy reduced by this factor, since reading the large picture dominates their
# cost.
KEPT_REDUCTION = 4


def smallest_face(size: Size) -> float:
    """Default minimum size of a face (longer side of its box, in pixels) for pictures of this (height, width)."""
    return max(SMALLEST_FACE, SHARE * math.sqrt(size[0] * size[1]))


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture (x0, y0 inclusive, x1, y1 exclusive), and its scale for the network."""

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
        """Cut the tile from B x C x H x W images as the network sees it: a view, or averaged or enlarged pixels."""
        part = images[:, :, self.y0 : self.y1, self.x0 : self.x1]
        if self.scale == 1:
            return part
        if self.scale > 1:
            return F.interpolate(part, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return reduce(part, round(1 / self.scale))

    def holds(self, boxes: Tensor, picture: Size) -> Tensor:
        """Which boxes N x 4 (in network pixels) are not cut by an inner edge; edges of the picture do not count."""
        height, width = self.seen
        inner = torch.tensor([self.x0 > 0, self.y0 > 0, self.x1 < picture[1], self.y1 < picture[0]])
        room = boxes * boxes.new_tensor([1, 1, -1, -1]) + boxes.new_tensor([0, 0, width, height])
        return ((room >= EDGE) | ~inner).all(1)


class Pyramid:
    """The levels of B x C x H x W images, tile by tile; a reduced copy (1/16) is cached for the coarse levels."""

    def __init__(self, images: Tensor) -> None:
        self._images = images
        self._reduced: Tensor | None = None

    def cut(self, tile: Tile, first: int, last: int) -> Tensor:
        """A tile of the images from `first` to `last` (exclusive) as the network sees it."""
        if tile.scale * KEPT_REDUCTION > 1:
            return tile.cut(self._images[first:last])
        if self._reduced is None:
            self._reduced = reduce(self._images, KEPT_REDUCTION)
        corners = (tile.x0, tile.y0, tile.x1, tile.y1)  # whole blocks, except at the edges of the picture
        x0, y0, x1, y1 = (math.ceil(corner / KEPT_REDUCTION) for corner in corners)
        return Tile(x0, y0, x1, y1, tile.scale * KEPT_REDUCTION).cut(self._reduced[first:last])


def reduce(images: Tensor, block: int) -> Tensor:
    """Average square blocks of pixels; the side is a power of two, less at the lower and right edge."""
    # Resampling needs contiguous memory; strips keep the copy of a large rectangle small.
    rows = max(STRIP_PIXELS // (len(images) * images.shape[3]) // block, 1) * block
    return torch.cat([_halved(strip, block.bit_length() - 1) for strip in images.split(rows, dim=2)], dim=2)


def _halved(images: Tensor, times: int) -> Tensor:
    for _ in range(times):
        odd_row, odd_column = images.shape[2] % 2, images.shape[3] % 2
        if odd_row or odd_column:
            images = F.pad(images, (0, odd_column, 0, odd_row), mode="replicate")
        # The mean of 2 x 2 pixels, several times faster than pooling and resizing.
        rows = images[:, :, 0::2] + images[:, :, 1::2]
        images = (rows[..., 0::2] + rows[..., 1::2]).mul_(0.25)
    return images


def halves(tile: Tile) -> tuple[Tile, ...]:
    """Split a tile in two when memory is short; empty if the tile is too small compared with the faces in it.

    They overlap like other tiles: a face cut by the new edge is complete in the other half or found on a coarser level.
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
    """Divide a side into overlapping spans of about equal length."""
    side, overlap = round(TILE_SIDE / scale), round(OVERLAP / scale)
    count = max(math.ceil((length - overlap) / (side - overlap)), 1)
    if count == 1:
        return [(0, length)]
    # Aligned to the network's coarsest stride, 32, tiles give the same result as the whole picture.
    grid = round(32 / scale)
    step = math.ceil((length - overlap) / count / grid) * grid
    return [(start, min(start + step + overlap, length)) for start in range(0, length - overlap, step)]

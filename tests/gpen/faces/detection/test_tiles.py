"""The image pyramid: what is searched, at what cost, and that a kept reduction shows the same."""

from __future__ import annotations

import pytest
import torch

from gpen_blocks.gpen.faces.detection import tiles
from gpen_blocks.gpen.faces.detection.tiles import Pyramid, plan_tiles, reduce, smallest_face


@pytest.mark.parametrize(
    "size, least", [((64, 64), 16), ((568, 1328), 16), ((1600, 1600), 16), ((4000, 6000), 48.99), ((4899, 4899), 48.99)]
)
def test_what_counts_as_a_face_grows_with_large_pictures(size, least):
    assert smallest_face(size) == pytest.approx(least, abs=0.01)


def seen(size: tuple[int, int], least: float) -> float:
    """Megapixels the network sees."""
    return sum(tile.seen[0] * tile.seen[1] for tile in plan_tiles(size, least)) / 1e6


@pytest.mark.parametrize("size", [(4000, 6000), (4899, 4899), (2000, 12000)])
def test_24_megapixels_are_searched_at_half_their_size_unless_smaller_faces_are_asked_for(size):
    assert max(tile.scale for tile in plan_tiles(size, smallest_face(size))) == 0.5
    assert max(tile.scale for tile in plan_tiles(size, 16)) == 1
    assert seen(size, smallest_face(size)) < seen(size, 16) / 4


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1800, 2601), (999, 4003), (701, 699)])
def test_the_kept_reduction_shows_what_the_picture_would(size):
    """Averages of averages are averages, but for the smaller blocks at the lower and right edge."""
    images = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0))
    pyramid = Pyramid(images)
    coarse = [tile for tile in plan_tiles(size, 16) if tile.scale < 1]
    assert {tile.scale for tile in coarse} >= {0.5}
    for tile in coarse:
        direct, kept = tile.cut(images[1:3]), pyramid.cut(tile, 1, 3)
        assert kept.shape == direct.shape == (2, 3, *tile.seen)
        torch.testing.assert_close(kept[..., :-1, :-1], direct[..., :-1, :-1], rtol=0, atol=1e-6)
        assert torch.allclose(kept, direct, atol=0.6)


# Boxes that touch one edge of a tile of 100 pixels each, and one that touches none.
AT_EDGES = torch.tensor(
    [[2.0, 40, 30, 70], [40, 2, 70, 30], [70, 40, 98, 70], [40, 70, 70, 98], [40, 40, 70, 70]], dtype=torch.float32
)


@pytest.mark.parametrize(
    "corner, holds",
    [
        ((0, 0), [True, True, False, False, True]),
        ((100, 0), [False, True, False, False, True]),
        ((200, 0), [False, True, True, False, True]),
        ((0, 200), [True, False, False, True, True]),
        ((100, 100), [False, False, False, False, True]),
        ((200, 200), [False, False, True, True, True]),
    ],
)
def test_what_an_inner_edge_cuts_is_not_held(corner, holds):
    """Each of the four edges counts where the picture goes on behind it, and there alone."""
    x, y = corner
    for scale in (0.5, 1.0, 2.0):
        tile = tiles.Tile(round(x / scale), round(y / scale), round((x + 100) / scale), round((y + 100) / scale), scale)
        assert tile.holds(AT_EDGES, (round(300 / scale), round(300 / scale))).tolist() == holds


@pytest.mark.parametrize("block", [1, 2, 4, 8])
def test_reducing_averages_blocks(block):
    images = torch.rand(2, 3, 24, 32)
    blocks = images.unflatten(3, (-1, block)).unflatten(2, (-1, block))
    assert torch.allclose(reduce(images, block), blocks.mean((3, 5)), atol=1e-6)


def test_reducing_keeps_what_is_left_at_the_edges(monkeypatch):
    monkeypatch.setattr(tiles, "STRIP_PIXELS", 1)
    images = torch.rand(1, 3, 9, 13)
    assert reduce(images, 4).shape == (1, 3, 3, 4)
    assert torch.allclose(reduce(images, 4)[0, :, 2, 3], images[0, :, 8, 12])

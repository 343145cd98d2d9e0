"""Enlarging in tiles."""

import pytest
import torch

from gpen_blocks.gpen.enlarging.tiles import OVERLAP, _weight, run_tiled, tile_spans
from gpen_blocks.gpen.pixels.resize import resize


@pytest.mark.parametrize("length", [1, 95, 96, 97, 130, 160, 161, 255, 256, 257, 700])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_tiles_cover_every_pixel_once(length, scale):
    spans = tile_spans(length, 96)
    assert spans[0][0] == 0 and spans[-1][1] == length
    assert all(last - first == min(length, 96) for first, last in spans)
    total = torch.zeros(scale * length)
    for number, (first, last) in enumerate(spans):
        total[scale * first : scale * last] += _weight(spans, number, scale)
        assert number == 0 or spans[number - 1][1] - first >= OVERLAP
    torch.testing.assert_close(total, torch.ones_like(total))


def test_tiles_give_what_the_whole_gives():
    """A filter that sees less than half of the overlap cannot tell a tile from the whole."""
    image = torch.rand(1, 3, 230, 301, generator=torch.Generator().manual_seed(5))

    def enlarge(tile):
        return resize(tile, (2 * tile.shape[-2], 2 * tile.shape[-1]))

    seen = []
    made = run_tiled(image, enlarge, 2, side=96, progress=lambda done, total: seen.append((done, total)))
    torch.testing.assert_close(made, enlarge(image), atol=1e-5, rtol=0)
    assert seen == [(done, 20) for done in range(21)]


def test_no_seam_is_seen_where_tiles_disagree():
    """Each tile one level brighter than the last: the step is spread over the overlap."""
    levels = iter(range(100))

    def enlarge(tile):
        return torch.full((1, 3, 2 * tile.shape[-2], 2 * tile.shape[-1]), next(levels) / 255)

    made = run_tiled(torch.zeros(1, 3, 90, 224), enlarge, 2, side=96)
    steps = (made[..., 1:] - made[..., :-1]).abs() * 255
    assert float(made.max()) * 255 == pytest.approx(2, abs=1e-3)
    assert float(steps.max()) <= 1 / (2 * OVERLAP) + 1e-3

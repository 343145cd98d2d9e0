"""Warps of a region of interest."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.pixels.warp import compose, matrix_scale, resize_matrix, shift_matrix, transformed_bounds, warp


def test_a_whole_shift_copies_pixels():
    """Pixel centres lie at integers: a shift by whole pixels interpolates nothing."""
    image = torch.rand(1, 3, 20, 30)
    part = warp(image, shift_matrix(7, 4), (10, 12))
    torch.testing.assert_close(part, image[..., 4:14, 7:19], atol=1e-5, rtol=0)


def test_resizing_keeps_edges_and_composes():
    """A picture of n pixels covers -0.5 .. n - 0.5, whatever its size, and there and back is nothing."""
    matrix = resize_matrix(4, 2)
    np.testing.assert_allclose(matrix @ [-0.5, -0.5, 1], [-0.5, -0.5])
    np.testing.assert_allclose(matrix @ [9.5, 4.5, 1], [39.5, 9.5])
    np.testing.assert_allclose(compose(resize_matrix(0.25, 0.5), matrix), np.eye(2, 3), atol=1e-15)
    assert matrix_scale(matrix) == pytest.approx(8**0.5)
    assert transformed_bounds(matrix, (5, 10)) == (1.5, 0.5, 37.5, 8.5)


def test_a_turn_samples_where_it_should():
    """(x, y) order and the direction of the matrix: a ramp reads off its own coordinates."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    ramps = torch.stack([x, y])[None]
    turn = np.array([[0.6, -0.8, 25.0], [0.8, 0.6, 12.0]])
    sampled = warp(ramps, turn, (8, 9), mode="bilinear")
    v, u = np.mgrid[:8, :9]
    expected = np.einsum("ij,jhw->ihw", turn, np.stack([u, v, np.ones_like(u)]))
    np.testing.assert_allclose(sampled[0].numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("step", [1.7, 4.0, 7.3])
def test_a_coarse_grid_skips_nothing(step):
    """Reducing is anti-aliased: a chequerboard finer than the grid becomes its mean, not a moire."""
    board = (torch.arange(200)[:, None] + torch.arange(200)) % 2
    image = board.float().expand(1, 1, -1, -1)
    turn = step * np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0]]) + [[0, 0, 80], [0, 0, 40]]
    reduced = warp(image, turn, (8, 8))
    assert (reduced - 0.5).abs().max() < 0.03


def test_only_the_region_of_interest_is_read():
    """What lies outside of the grid's surroundings does not matter, so a huge picture costs nothing."""
    image = torch.full((1, 1, 400, 400), float("nan"))
    image[..., 100:160, 100:160] = 0.25
    part = warp(image, shift_matrix(120, 120), (20, 20))
    torch.testing.assert_close(part, torch.full_like(part, 0.25))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (24, 24)])
def test_the_border_goes_on_mirrored(size):
    """A grid that leaves the picture sees its mirror image, however small the picture is."""
    image = torch.rand(1, 2, *size)
    seen = warp(image, shift_matrix(-10, -10), (60, 60))
    index = [np.pad(np.arange(side), (10, 50), mode="symmetric")[:60] for side in size]
    torch.testing.assert_close(seen, image[..., index[0][:, None], index[1]], atol=1e-5, rtol=0)


def test_nothing_beyond_the_border_where_asked():
    image = torch.ones(1, 1, 10, 10)
    seen = warp(image, shift_matrix(-20, -20), (15, 15), border="zeros")
    assert not seen.any()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shift", [(-30, 5), (25, -40), (500, 3000), (3, 4)])
def test_the_mirror_image_is_that_of_torch(mode, shift):
    """Inside the picture, across its border and far beyond, where it is mirrored again and again."""
    image = torch.rand(1, 2, 50, 60, generator=torch.Generator().manual_seed(0))
    turn = np.array([[0.55, -0.2, shift[0]], [0.2, 0.55, shift[1]]])
    y, x = np.mgrid[:64, :48]
    points = np.stack([x, y, np.ones_like(x)], axis=-1) @ turn.T
    grid = torch.from_numpy((2 * points + 1) / [60, 50] - 1)[None]
    expected = F.grid_sample(image.double(), grid, mode=mode, padding_mode="reflection", align_corners=False)
    sampled = warp(image, turn, (64, 48), mode=mode)
    torch.testing.assert_close(sampled.double(), expected, atol=1e-4, rtol=0)

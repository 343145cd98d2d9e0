"""Ways are smoothed without lag: on series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from gpen_blocks.gpen.video.steady.windows import smooth_way, windowed


def noisy(way: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    return way + np.random.default_rng(seed).normal(0, noise, way.shape)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_a_window_keeps_polynomials_of_its_degree_up_to_the_ends(degree):
    time = np.linspace(0, 1, 40)[:, None]
    way = np.concatenate([(3 * time) ** power for power in range(degree + 1)], axis=1)
    np.testing.assert_allclose(windowed(way, 4.0, degree), way, atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_short_series_are_no_fault(count):
    way = np.arange(2.0 * count).reshape(count, 2)
    np.testing.assert_allclose(smooth_way(way), way, atol=1e-9)


def test_rest_becomes_calm():
    found = smooth_way(noisy(np.zeros((200, 4)), 0.5))
    assert found.std() < 0.2
    assert np.diff(found, n=2, axis=0).std() < 0.03


def test_a_quick_turn_keeps_its_place_and_height():
    time = np.arange(120.0)
    way = np.stack([50 / (1 + np.exp(-(time - 60) / 1.6)), 0 * time, 0 * time, 0 * time], axis=1)
    found = smooth_way(noisy(way, 0.4))
    assert np.abs(found - way)[50:70].max() < 1.5
    assert np.abs(found - way)[[20, 100]].max() < 0.5


def test_a_single_jump_of_one_frame_is_ignored():
    way = np.zeros((60, 2))
    way[30] = 9
    assert np.abs(smooth_way(noisy(way, 0.2))).max() < 0.6

"""Noisy places and exact steps become a smooth way, at rest and in quick motion."""

from __future__ import annotations

import numpy as np
import pytest
from video.motion import WAYS, Scene

from gpen_blocks.gpen.video.steady import joining
from gpen_blocks.gpen.video.steady.joining import even_out, join_way
from gpen_blocks.gpen.video.steady.looking import Sight
from gpen_blocks.gpen.video.steady.steps import find_step
from gpen_blocks.gpen.video.steady.windows import smooth_way

TIME = np.arange(240.0)
WAYS_OF = {
    "rest": np.stack([4 * np.sin(TIME / 17), 3 * np.sin(TIME / 13)], 1),
    "fast": np.stack([18 * np.sin(TIME / 2.1), 8 * np.sin(TIME / 1.8)], 1),
    "turn": np.stack([50 / (1 + np.exp(-(TIME - 120) / 1.6)), 0 * TIME], 1),
}


def seen(way: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places with a noise of 0.3 pixels, and steps with one of 0.03."""
    random = np.random.default_rng(seed)
    exact = way + random.normal(0, 0.03 / np.sqrt(2), way.shape)
    steps = np.diff(exact, axis=0, prepend=np.nan)
    return way + random.normal(0, 0.3, way.shape), steps


def shaking(way: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt((np.diff(way - true, n=2, axis=0)[10:-10] ** 2).sum(axis=1).mean()))


@pytest.mark.parametrize("name", WAYS_OF)
def test_a_way_neither_shakes_nor_loses_its_place(name):
    true = WAYS_OF[name]
    places, steps = seen(true)
    joined = join_way(places, steps)
    assert shaking(joined, true) < 0.1 * shaking(places, true)
    assert np.abs(joined - true)[20:-20].max() < 0.35
    assert name != "fast" or shaking(joined, true) < 0.4 * shaking(smooth_way(places), true)


def test_a_stretch_without_steps_follows_the_places():
    true = WAYS_OF["turn"]
    places, steps = seen(true)
    steps[100:140] = np.nan
    assert np.abs(join_way(places, steps) - true)[20:-20].max() < 1.5
    nothing = join_way(places, np.full_like(steps, np.nan))
    assert np.abs(nothing - true)[20:-20].max() < 1.5 and shaking(nothing, true) < 0.3 * shaking(places, true)


def test_steps_that_slip_do_not_take_the_way_along():
    """Something passed before the face, and the flow followed that for a while."""
    places, steps = seen(WAYS_OF["rest"])
    steps[100:110] += 2.0
    assert np.abs(join_way(places, steps) - WAYS_OF["rest"])[20:-20].max() < 3.5
    assert np.abs(join_way(places, steps) - WAYS_OF["rest"])[130:-20].max() < 0.5


@pytest.mark.parametrize("count", range(1, 9))
def test_short_ways_are_no_fault(count):
    way = np.arange(2.0 * count).reshape(count, 2)
    np.testing.assert_allclose(join_way(way, np.full_like(way, np.nan)), way, atol=1e-6)
    np.testing.assert_allclose(join_way(way, np.full_like(way, 2.0)), way, atol=1e-6)


def test_a_long_way_is_solved_in_pieces_that_fit(monkeypatch):
    way = np.tile(seen(WAYS_OF["rest"])[0], (3, 1))
    pieces = even_out(way)
    monkeypatch.setattr(joining, "_BLOCK", len(way))
    np.testing.assert_allclose(pieces, even_out(way), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["rest", "fast", "turn"])
def test_a_step_is_measured_to_a_few_hundredths_of_a_pixel(way, scene, followed):
    own = Scene(scene.still, WAYS[way], scene.size, scale=scene.scale)
    first = followed.rows_of(0)[0]
    in_still = scene.to_still(followed.landmarks68[first].astype(float), 0)
    five = scene.to_still(followed.landmarks[first].astype(float), 0)
    random, errors = np.random.default_rng(0), []
    for time in range(14, 24):
        sights, frames = [], []
        for when in (time - 1, time):
            shaken = own.to_frame(in_still, when) + random.normal(0, 0.3, (68, 2))
            sights.append(Sight(shaken, followed.box[first], 1.0))
            noise = random.normal(0, 6, (*scene.size, 1))
            frames.append((own.frame(when) * 255 + noise).mean(axis=-1).clip(0, 255).astype(np.uint8))
        step = find_step(frames[0], frames[1], *sights)
        assert step is not None
        upper = own.to_frame(five[:3], time - 1)  # eyes and nose
        errors.append((upper @ step[:, :2].T + step[:, 2] - own.to_frame(five[:3], time)).mean(axis=0))
    assert np.sqrt(np.mean(np.square(errors))) < 0.06


def test_nothing_is_followed_into_another_picture(scene, followed):
    first = followed.rows_of(0)[0]
    sight = Sight(followed.landmarks68[first].astype(float), followed.box[first], 1.0)
    frame = (scene.frame(0).mean(axis=-1) * 255).astype(np.uint8)
    other = np.random.default_rng(1).integers(0, 256, frame.shape).astype(np.uint8)
    assert find_step(frame, other, sight, sight) is None

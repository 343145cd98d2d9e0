"""The motion of the video benchmark is what it says, and its measures tell steady from unsteady."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from video.measures import Unsteadiness, fidelity, fine_contrast, jitter, lag, misplacement
from video.motion import DAMAGES, WAYS, Damage, Scene

from gpen_blocks.gpen.images import read_picture


@pytest.fixture(scope="module", params=WAYS)
def scene(request, examples: Path) -> Scene:
    still = read_picture(examples / "faces" / "face2.jpg").pixels[0].permute(1, 2, 0).numpy()
    return Scene(still, WAYS[request.param], (120, 160), scale=0.2)


def test_the_way_to_the_still_and_back_ends_where_it_began(scene):
    points = np.stack(np.meshgrid(np.arange(20.0, 140, 10), np.arange(10.0, 110, 10)), axis=-1)
    for time in (0, 7, 21):
        np.testing.assert_allclose(scene.to_frame(scene.to_still(points, time), time), points, atol=1e-3)


def test_only_the_true_motion_is_steady(scene):
    truth = torch.from_numpy(np.stack([scene.frame(time) for time in range(20, 26)])).permute(0, 3, 1, 2)
    masks = torch.zeros(6, 1, 120, 160)
    masks[:, :, 40:80, 60:100] = 1
    masks[:, :, 38:40, 60:100] = 0.5
    measure = Unsteadiness(scene, truth, masks, start=20)
    assert measure.deviations(truth) == (0, 0)
    still, noise = measure.warping_error(truth), truth + 0.04 * torch.randn_like(truth)
    assert measure.warping_error(noise) > still + 5
    assert measure.deviations(noise)[0] == pytest.approx(255 * 0.04 * 2**0.5, rel=0.15)  # each frame and the one before
    assert fidelity(noise, truth, masks) == pytest.approx(-20 * np.log10(0.04), abs=0.3)
    assert fine_contrast(noise, masks) > fine_contrast(truth, masks)


def test_points_on_their_true_way_do_not_shake():
    way = np.cumsum(np.random.default_rng(0).normal(size=(30, 5, 2)), axis=0)
    assert jitter(way, way) == 0 and jitter(way + [3, 4], way) == pytest.approx(0, abs=1e-9)
    noisy = way + np.random.default_rng(1).normal(0, 0.1, way.shape)
    assert jitter(noisy, way) == pytest.approx(0.1 * (6 * 2) ** 0.5, rel=0.1)


def test_points_behind_their_way_lag_by_as_many_frames_as_they_are_behind():
    time = np.arange(80.0)

    def way(moments: np.ndarray) -> np.ndarray:
        return np.stack([30 * np.sin(moments / 9), 20 * np.cos(moments / 7)], -1)[:, None] + np.zeros((5, 2))

    shaking = np.random.default_rng(0).normal(0, 0.2, (80, 5, 2))
    assert lag(way(time - 0.8) + shaking + [3, 4], way(time)) == pytest.approx(0.8, abs=0.05)
    assert lag(way(time) + shaking, way(time)) == pytest.approx(0, abs=0.05)
    some = way(time - 0.8)
    some[10:20] = np.nan
    assert lag(some, way(time)) == pytest.approx(0.8, abs=0.05)
    assert misplacement(way(time) + shaking + [3, 4], way(time)) == pytest.approx(0.2 * 2**0.5, rel=0.1)


def test_damage_is_the_same_in_every_frame_but_for_its_noise(scene):
    frame = scene.frame(0)
    damage = DAMAGES["small"]
    assert (damage.apply(frame, 3) == damage.apply(frame, 3)).all()
    assert (damage.apply(frame, 3) != damage.apply(frame, 4)).mean() > 0.5
    np.testing.assert_allclose(Damage().apply(frame, 0), frame, atol=0.5 / 255 + 1e-6)

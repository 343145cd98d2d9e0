"""No face pops in or out within a shot: its strength changes by little from frame to frame."""

from __future__ import annotations

import numpy as np
import pytest
from video.popping import JUMP, SCENES, jumps, make_frames, strengths

from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.video.steady import smooth
from gpen_blocks.gpen.video.steady.smoothing import FADE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaves and comes back", "turns away and back", "out of focus again and again"])
def test_a_face_that_is_lost_and_found_does_not_pop(name, scene, networks):
    assert name in SCENES
    alone, steady = strengths(make_frames(scene.still, name), networks, Settings())
    assert jumps(steady) == 0 and np.abs(np.diff(steady)).max() < JUMP
    assert abs((steady > 0).mean() - alone.mean()) < 0.1
    if name != "out of focus again and again":
        assert steady.min() == 0 and steady.max() == 1 and jumps(alone) >= 2


@pytest.mark.parametrize(("hidden", "least"), [(2, 1.0), (5, 0.3), (12, 0.0)])
def test_a_face_fades_while_it_is_hidden_and_not_when_it_was_missed(hidden, least, followed):
    bridged = np.zeros(len(followed), bool)
    bridged[10 : 10 + hidden] = True
    share = smooth(followed.take(np.arange(len(followed)), bridged=bridged), "ffhq").share
    assert least <= share[10 : 10 + hidden].min() < least + 0.35
    assert np.abs(np.diff(share)).max() < 1.6 / FADE and share[0] == 1
    assert share[-1] == 1 or hidden == 12

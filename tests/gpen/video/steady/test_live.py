"""Faces of frames that come one by one: steady, and without a look at what follows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from video.live import live_strengths
from video.measures import jitter, lag
from video.motion import DAMAGES, WAYS, Scene
from video.popping import JUMP, jumps, make_frames

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import find_faces
from gpen_blocks.gpen.video.steady import Follower, LiveFollower, Tracks
from gpen_blocks.gpen.video.steady.smoothing import FADE

SIZE, RATE = (180, 320), 25
Frames = list[torch.Tensor]


def follow_live(frames: Frames, networks, settings: Settings | None = None, **more) -> list[Tracks]:
    follower = LiveFollower(networks, settings or Settings(), **more)
    return [follower.add(frame, 1 / RATE) for frame in frames]


@pytest.fixture(scope="module")
def group(examples) -> torch.Tensor:
    """Three faces beside each other, in a frame of the size of the scene."""
    face = read_picture(examples / "faces" / "face2.jpg").pixels
    small = torch.nn.functional.interpolate(face, size=(110, 110), mode="area")[0]
    frame = torch.full((3, *SIZE), 0.4)
    for number, left in enumerate((0, 105, 210)):
        frame[:, 20 + 20 * number : 130 + 20 * number, left : left + 110] = small
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("way", ["rest", "turn", "shake"])
def test_a_face_shakes_less_than_frame_by_frame_and_does_not_lag(way, scene, networks):
    moving = Scene(scene.still, WAYS[way], SIZE, scale=0.3)
    frames = [torch.from_numpy(DAMAGES["noisy"].apply(moving.frame(n), n)).permute(2, 0, 1) for n in range(40)]
    shown = follow_live(frames, networks)
    assert all(one.track.tolist() == [0] and one.share.tolist() == [1.0] for one in shown)
    points = np.concatenate([one.landmarks for one in shown])[:, :3]
    template, detector = networks.generator.template, networks.detector.module
    found = [find_faces(one[None], detector, Settings(), template=template).selected.faces for one in frames]
    alone = np.stack([faces[0].landmarks for faces in found])[:, :3]
    start = moving.to_still(points[0].astype(float), 0)
    true = np.stack([moving.to_frame(start, number) for number in range(40)])
    assert jitter(points, true) < 0.5 * jitter(alone, true)
    assert abs(lag(points, true)) < 0.3
    assert np.abs((points - true).mean(axis=1)).max() < 1.5


@pytest.mark.slow
def test_what_comes_later_changes_nothing_before(frames_of, networks, group):
    frames = frames_of(14)
    one, other = (follow_live([*frames, *more], networks) for more in (frames_of(18)[14:], [group] * 4))
    for here, there in zip(one[:14], other[:14], strict=True):
        for field in dataclasses.fields(Tracks):
            np.testing.assert_array_equal(getattr(here, field.name), getattr(there, field.name), err_msg=field.name)
    assert len(other[14]) == 3 and len(one[14]) == 1


@pytest.mark.slow
def test_a_cut_ends_faces_and_begins_others_at_once(frames_of, networks, group):
    shown = follow_live([*frames_of(10), *[group] * 3, *frames_of(3)], networks)
    assert [one.track.tolist() for one in shown] == [[0]] * 10 + [[1, 2, 3]] * 3 + [[4]] * 3
    assert [one.cuts.tolist() for one in shown[9:11]] == [[0], [10]]
    assert all((one.share == 1).all() for one in shown)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaves and comes back", "turns away and back", "hidden for a second"])
def test_a_face_that_comes_and_goes_fades(name, scene, networks):
    strength = live_strengths(make_frames(scene.still, name), networks, Settings())
    assert jumps(strength) == 0 and np.abs(np.diff(strength)).max() < min(JUMP, 1.6 / FADE)
    assert strength[0] == 1 and strength.min() == 0 and strength[-1] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("score", "begins"), [(0.9995, 0), (0.98, 4), (0.92, 12)])
def test_a_face_counts_once_there_is_evidence(score, begins, frames_of, networks, monkeypatch):
    """Detections in the first frame, and then in every eighth from the fourth on, add up."""
    detect = Follower(networks, Settings()).eye.detect

    def doubtful(self, image, *steps):
        return tuple(dataclasses.replace(one, score=score) for one in detect(image, *steps))

    monkeypatch.setattr("gpen_blocks.gpen.video.steady.looking.Eye.detect", doubtful)
    shares = [float(one.share.max(initial=0)) for one in follow_live(frames_of(26), networks)]
    assert next(number for number, share in enumerate(shares) if share > 0) == begins
    assert shares[begins] == (1 if begins == 0 else pytest.approx(0.034, abs=0.01)) and shares[-1] == 1


@pytest.mark.slow
def test_faces_are_chosen_by_order_number_and_count(networks, group):
    def chosen(settings: Settings, **more) -> list[float]:
        shown = follow_live([group] * 3, networks, settings, **more)
        assert len({tuple(one.track) for one in shown}) == 1
        return sorted(float(box[0] // 105) for box in shown[-1].box)

    assert chosen(Settings(order="left_to_right")) == [0, 1, 2]
    assert chosen(Settings(order="left_to_right"), indices="0,2") == [0, 2]
    assert chosen(Settings(order="left_to_right", max_faces=2)) == [0, 1]
    assert chosen(Settings(min_face_size=200)) == []


@pytest.mark.slow
def test_a_face_keeps_its_number_when_another_comes(networks, group):
    empty = group.clone()
    empty[:, :, :106] = 0.4
    empty[:, :, 211:] = 0.4
    shown = follow_live([empty] * 4 + [group] * 24, networks, Settings(order="left_to_right"), indices="0")
    assert all(len(one.cuts) == 1 and one.cuts[0] == 0 for one in shown), "one shot"
    assert all(one.track.tolist() == [0] for one in shown)
    assert {float(one.box[0, 0] // 105) for one in shown} == {1}


@pytest.mark.slow
def test_nothing_grows_with_the_number_of_frames(frames_of, networks, group):
    follower, sizes = LiveFollower(networks, Settings()), []
    shots = [*frames_of(3), *[group] * 3]
    for turn in range(12):
        for frame in shots:
            follower.add(frame, 1 / RATE)
        inner = follower._follower
        tracks = (*inner.present, *inner._ended)
        sizes.append((len(inner._begun), len(tracks), sum(len(one.sights) + len(one.steps) for one in tracks)))
        assert len(follower.spans) == len(follower._faces) == 3, turn
    assert sizes[3] == sizes[-1]

"""Faces are followed through real frames with known motion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from video.motion import WAYS, Scene

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.video.steady import Tracks, follow, smooth
from gpen_blocks.gpen.video.steady.cuts import CutFinder, shrink
from gpen_blocks.gpen.video.steady.following import EVERY, Follower
from gpen_blocks.gpen.video.steady.looking import Sight

SIZE = (180, 320)


def jitter(points: np.ndarray) -> float:
    """Root mean square of the second differences."""
    return float(np.sqrt((np.diff(points, n=2, axis=0) ** 2).sum(axis=-1).mean()))


@pytest.mark.slow
def test_one_face_is_one_track_at_its_true_place(scene, followed):
    assert followed.numbers == (0,) and len(followed) == 30 and followed.cuts.tolist() == [0]
    detected = np.isfinite(followed.detected).all(axis=(1, 2))
    assert detected.sum() == 4  # every eighth frame
    true = scene.to_frame(scene.to_still(followed.landmarks[0].astype(float), 0), 29)
    assert np.abs(followed.landmarks[29] - true).max() < 1.5


@pytest.mark.slow
def test_a_smooth_track_shakes_less_and_stays_in_place(scene, followed):
    even = smooth(followed, "ffhq")
    start = scene.to_still(even.landmarks[0].astype(float), 0)
    true = np.stack([scene.to_frame(start, time) for time in range(30)])
    assert jitter(even.landmarks - true) < 0.3 * jitter(followed.landmarks - true)
    assert jitter(even.landmarks68) < 0.5 * jitter(followed.landmarks68)
    assert np.abs((even.landmarks - true).mean(axis=1)).max() < 1.0
    assert (even.share == 1).all()


@pytest.mark.slow
def test_the_crops_lie_where_the_smooth_way_says(followed, networks):
    even = smooth(followed, "ffhq")
    faces, rows = even.faces_of(range(3, 6))
    assert [face.image_index for face in faces] == [0, 1, 2] and even.frame[rows].tolist() == [3, 4, 5]
    _, alignments = align_faces(torch.zeros(3, 3, *SIZE), faces, 256, "ffhq")
    matrices = np.stack([alignment.matrix for alignment in alignments])
    # What is left of the rounding of landmarks to 32 bits, in pixels of the crop, is far below what can be seen.
    corner = matrices @ [SIZE[1] / 2, SIZE[0] / 2, 1]
    assert np.abs(np.diff(corner, n=2, axis=0)).max() < 1.0
    again, _ = align_faces(torch.zeros(3, 3, *SIZE), faces, 512, "ffhq")
    assert again.shape == (3, 3, 512, 512)


@pytest.mark.slow
def test_a_face_that_is_hidden_for_a_few_frames_is_bridged(frames_of, networks):
    frames = frames_of(26)
    for hidden in range(10, 14):  # something passes before the camera
        frames[hidden][:, 30:150, 110:210] = torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(1))
    whole = follow(enumerate(frames), networks, Settings())
    assert whole.cuts.tolist() == [0] and whole.numbers == (0,)
    assert whole.frame.tolist() == list(range(26))
    way = whole.landmarks.mean(axis=1)
    assert np.abs(np.diff(way, axis=0)).max() < 2.5


@pytest.mark.slow
def test_a_cut_ends_tracks_and_a_late_face_is_followed_back(frames_of, networks, examples):
    empty = torch.full((3, *SIZE), 0.5) + 0.1 * torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))
    group = read_picture(examples / "group.jpg").pixels[0, :, ::3, ::3][:, : SIZE[0], : SIZE[1]]
    frames = [empty] * 3 + frames_of(10) + [group] * 4
    tracks = follow(enumerate(frames, start=100), networks, Settings())
    assert (tracks.start, tracks.stop) == (100, 117)
    assert tracks.cuts.tolist() == [100, 103, 113]
    assert tracks.shot_of(105) == (103, 113)
    first = tracks.rows_of(0)
    assert tracks.frame[first].tolist() == list(range(103, 113))
    for number in tracks.numbers:
        frames_seen = tracks.frame[tracks.rows_of(number)]
        begins, ends = tracks.shot_of(int(frames_seen[0]))
        assert begins <= frames_seen[0] and frames_seen[-1] < ends


@pytest.mark.slow
def test_a_face_that_comes_inside_a_shot_fades_in(frames_of, networks):
    frames = frames_of(24)
    gray = frames[0].mean()
    for number in range(12):  # it comes into view behind a wall, which fills most of the frame
        frames[number] = torch.where(torch.arange(SIZE[1]) < SIZE[1] * 0.72, gray, frames[number])
    tracks = smooth(follow(enumerate(frames), networks, Settings()), "ffhq")
    own = tracks.rows_of(tracks.numbers[0])
    if len(tracks.cuts) == 1:
        assert tracks.frame[own][0] >= 12
        assert tracks.share[own][0] < 0.05 and np.all(np.diff(tracks.share[own][:9]) > 0)
    assert tracks.share[own][-1] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("score", "searched", "there"), [(0.98, 2, False), (0.98, 4, True), (1.0, 2, True)])
def test_what_few_detections_take_for_a_face_is_none(frames_of, networks, score, searched, there):
    """Of five detections, the last ones see nothing there: a face that turned away was seen clearly before."""
    follower = Follower(networks, Settings())
    for number, frame in enumerate(frames_of(33)):
        seen = follower.eye.see(number, frame, search=number % EVERY == 0)
        if seen.faces:
            faces = tuple(dataclasses.replace(one, score=score) for one in seen.faces)
            seen = dataclasses.replace(seen, faces=faces if number < searched * EVERY else ())
        follower.add(seen)
    assert bool(follower.tracks().numbers) is there


@pytest.mark.slow
def test_one_box_is_one_face_whatever_its_landmarks_say(frames_of, networks):
    """Those of a profile lie here and there."""
    follower = Follower(networks, Settings())
    for number, frame in enumerate(frames_of(20)):
        seen = follower.eye.see(number, frame, search=number % EVERY == 0)
        if number and seen.faces:
            (face,) = seen.faces
            aside = face.landmarks68 + [0.6 * face.width, 0]
            seen = dataclasses.replace(seen, faces=(dataclasses.replace(face, landmarks68=aside),))
        follower.add(seen)
    assert follower.tracks().numbers == (0,)


@pytest.mark.slow
@pytest.mark.parametrize(("beyond", "tracks"), [(True, 1), (False, 2)])
def test_a_nose_of_a_face_that_is_cut_off_is_no_other_face(frames_of, networks, beyond, tracks):
    follower = Follower(networks, Settings())
    for number, frame in enumerate(frames_of(20)):
        seen = follower.eye.see(number, frame, search=number % EVERY == 0)
        if seen.faces:
            (face,) = seen.faces
            face = dataclasses.replace(face, box=face.box - [face.box[0] + 9, 0, 0, 0]) if beyond else face
            part = face.landmarks68[[30]] + [0.3 * face.width, 0] + 0.3 * (face.landmarks68 - face.centre)
            middle = part.mean(axis=0)
            nose = Sight(part, np.concatenate([middle - 12, middle + 12]), 1.0, face.landmarks)
            seen = dataclasses.replace(seen, faces=(face, nose) if number else (face,))
        follower.add(seen)
    assert len(follower.tracks().numbers) == tracks


def test_tracks_survive_a_file(tmp_path, followed):
    path = tmp_path / "a" / "tracks.npz"
    followed.save(path)
    again = Tracks.load(path)
    for field in dataclasses.fields(Tracks):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(followed, field.name), err_msg=field.name)
    assert again.size == followed.size and isinstance(again.stop, int)
    assert path.stat().st_size < 1000 * len(followed)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ImageError, match="cannot be read"):
        Tracks.load(path)
    np.savez(path, version=99)
    with pytest.raises(ImageError, match="another version"):
        Tracks.load(path)


def test_a_video_without_a_face_has_no_track(networks):
    empty = follow(((n, torch.full((3, 32, 48), 0.5)) for n in range(3)), networks, Settings())
    assert len(empty) == 0 and empty.numbers == () and empty.cuts.tolist() == [0]
    assert len(smooth(empty, "ffhq")) == 0
    faces, rows = empty.faces_of([0, 1])
    assert len(faces) == 0 and len(rows) == 0 and faces.sizes == ((32, 48),) * 2


def test_frames_follow_on_each_other(networks):
    with pytest.raises(ImageError, match="Frame 2"):
        follow([(0, torch.zeros(3, 32, 32)), (2, torch.zeros(3, 32, 32))], networks, Settings())


def test_cuts_are_found_and_motion_flashes_and_fades_are_none(scene, examples):
    others = [
        read_picture(examples / name).pixels[0, :, ::3, ::3]
        for name in ("group.jpg", "old-print.jpg", "faces/face2.jpg")
    ]
    fast = Scene(scene.still, WAYS["turn"], SIZE, scale=0.3)
    frames = [torch.from_numpy(fast.frame(time)).permute(2, 0, 1) for time in range(15, 25)]
    frames[4] = (frames[4] * 1.6 + 0.1).clamp(0, 1)  # a flash
    frames += [frames[-1] * (1 - step / 8) for step in range(1, 9)]  # a fade to black
    frames += [frames[-1]] * 3
    cuts = [0]
    for other in others:
        cuts.append(len(frames))
        frames += [other, other.roll(2, -1), other.roll(4, -1)]
    finder = CutFinder()
    assert [number for number, frame in enumerate(frames) if finder.begins_shot(shrink(frame))] == cuts

"""Faces are chosen for whole tracks."""

from __future__ import annotations

import numpy as np
import pytest

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.types import Faces
from gpen_blocks.gpen.video.steady import Tracks, choose_tracks


def tracks_of(*faces: tuple[range, tuple[float, float, float, float], float], cuts: tuple[int, ...] = (0,)) -> Tracks:
    rows = sorted((frame, number) for number, (frames, _, _) in enumerate(faces) for frame in frames)
    boxes = np.array([faces[number][1] for _, number in rows], np.float32)
    count = len(rows)
    return Tracks(
        size=(100, 200),
        start=0,
        stop=20,
        cuts=np.array(cuts),
        frame=np.array([frame for frame, _ in rows]),
        track=np.array([number for _, number in rows], np.int32),
        landmarks=np.zeros((count, 5, 2), np.float32),
        landmarks68=np.zeros((count, 68, 2), np.float32),
        box=boxes,
        score=np.array([faces[number][2] for _, number in rows], np.float32),
        detected=np.full((count, 5, 2), np.nan, np.float32),
        aside=np.zeros(count, bool),
        bridged=np.zeros(count, bool),
        share=np.ones(count, np.float32),
        step=np.full((count, 2, 3), np.nan, np.float32),
    )


SMALL, LARGE, RIGHT = (10, 10, 20, 22), (50, 10, 90, 60), (150, 10, 170, 34)
THREE = tracks_of((range(20), SMALL, 0.9), (range(5, 20), LARGE, 0.8), (range(5), RIGHT, 0.95))


@pytest.mark.parametrize(
    ("settings", "indices", "chosen"),
    [
        ({}, "", (0, 1, 2)),
        ({"order": "largest"}, "0", (1,)),
        ({"order": "left_to_right"}, "1-2", (1, 2)),
        ({"order": "score"}, "0", (2,)),
        ({"min_face_size": 20}, "", (1, 2)),
        ({"order": "largest", "max_faces": 1}, "", (1, 2)),  # never two in the same frame
    ],
)
def test_choices_hold_for_tracks(settings, indices, chosen):
    assert choose_tracks(THREE, Settings(**settings), indices=indices).numbers == chosen


def test_faces_are_numbered_in_each_shot():
    tracks = tracks_of((range(10), SMALL, 0.9), (range(10), LARGE, 0.8), (range(10, 20), RIGHT, 0.95), cuts=(0, 10))
    chosen = choose_tracks(tracks, Settings(order="largest"), indices="0")
    assert chosen.numbers == (1, 2) and len(chosen) == 20


def test_a_region_chooses_by_most_frames():
    def left(faces: Faces) -> Faces:
        return Faces(tuple(face for face in faces if face.box[0] < 100), faces.sizes)

    assert choose_tracks(THREE, Settings(), within=left).numbers == (0, 1)


def test_indices_that_are_none_are_refused_even_without_a_face():
    nothing = THREE.take(np.zeros(0, int))
    assert len(choose_tracks(nothing, Settings())) == 0
    with pytest.raises(SettingsError):
        choose_tracks(nothing, Settings(), indices="x")


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_face_is_in_focus_in_all_frames_or_in_none(share):
    """A face at the limit was left out in some detections, and lost in between."""
    detected = THREE.detected.copy()
    detected[::2] = 1.0
    aside = np.zeros(len(THREE), bool)
    rows = THREE.rows_of(0)[::2]
    aside[rows[: round(share * len(rows))]] = True
    detected[THREE.rows_of(0)] = np.nan
    detected[rows] = 1.0
    tracks = THREE.take(np.arange(len(THREE)), detected=detected, aside=aside)
    assert choose_tracks(tracks, Settings()).numbers == (0, 1, 2)
    assert choose_tracks(tracks, Settings(focus=True)).numbers == ((0, 1, 2) if share < 0.5 else (1, 2))

"""Choose the faces of a video to restore: for a whole track, so that no face comes and goes within a shot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...faces.select import select_faces
from ...settings import Settings
from ...types import Face, Faces
from .tracks import Tracks

# A track is inside of regions if it is in this share of its frames.
_INSIDE = 0.5
# A track is left out by `focus` if more than this share of its detections say so.
_ASIDE = 0.5


def choose_tracks(
    tracks: Tracks,
    settings: Settings,
    *,
    indices: str = "",
    within: Callable[[Faces], Faces] | None = None,
) -> Tracks:
    """Choose tracks as `select_faces` chooses faces, shot by shot.

    The faces of a shot are ordered and numbered as if all were in one picture, each with its median box and score.

    Args:
        tracks: of all faces.
        settings: `order`, `max_faces`, `min_face_size` and `focus` count; by `focus`, a face is left out in all frames
            if most of its detections say so. There may be more than `max_faces` in a shot, but not
            in a frame.
        indices: numbers of the faces of each shot, such as `0,2-4`; empty: all.
        within: returns those of the faces of all frames that may be chosen, such as those inside a region; a track may
            be if most of its faces may.

    Returns:
        The rows of the chosen tracks.

    Raises:
        SettingsError: `indices` cannot be parsed.
    """
    chosen: list[int] = []
    for ordered in _ordered(tracks, settings, indices, within):
        if settings.focus:
            ordered = [number for number in ordered if not _is_aside(tracks, number)]
        chosen += _at_most(tracks, ordered, settings.max_faces)
    return tracks.take(np.flatnonzero(np.isin(tracks.track, chosen)))


def number_tracks(
    tracks: Tracks, settings: Settings, *, within: Callable[[Faces], Faces] | None = None
) -> dict[int, int]:
    """The number of each track for `indices`; those that cannot be chosen have none. Arguments as `choose_tracks`."""
    return {number: place for shot in _ordered(tracks, settings, "", within) for place, number in enumerate(shot)}


def _ordered(
    tracks: Tracks, settings: Settings, indices: str, within: Callable[[Faces], Faces] | None
) -> list[list[int]]:
    """The tracks of each shot, in the order in which they are numbered."""
    allowed = tracks.numbers if within is None else _inside(tracks, within)
    shots: dict[int, list[int]] = {}
    for number in allowed:
        begins, _ = tracks.shot_of(int(tracks.frame[tracks.rows_of(number)[0]]))
        shots.setdefault(begins, []).append(number)
    result = []
    for numbers in shots.values() or [[]]:
        faces = [_typical(tracks, number) for number in numbers]
        ordered, _ = select_faces(
            Faces(tuple(faces), (tracks.size,)), settings.order, indices, min_face_size=settings.min_face_size
        )
        of_face = {id(face): number for face, number in zip(faces, numbers, strict=True)}
        result.append([of_face[id(face)] for face in ordered])
    return result


def _typical(tracks: Tracks, number: int) -> Face:
    rows = tracks.rows_of(number)
    middle = rows[len(rows) // 2]
    box = np.median(tracks.box[rows], axis=0)
    return Face(tuple(box), float(np.median(tracks.score[rows])), tracks.landmarks[middle])


def _is_aside(tracks: Tracks, number: int) -> bool:
    rows = tracks.rows_of(number)
    detected = np.isfinite(tracks.detected[rows]).all(axis=(1, 2))
    return bool(detected.any() and tracks.aside[rows][detected].mean() > _ASIDE)


def _inside(tracks: Tracks, within: Callable[[Faces], Faces]) -> list[int]:
    """The tracks most of whose faces may be chosen."""
    faces, rows = tracks.faces_of(range(tracks.start, tracks.stop))
    may = {id(face) for face in within(faces)}
    kept = tracks.track[[row for face, row in zip(faces, rows.tolist(), strict=True) if id(face) in may]]
    return [number for number in tracks.numbers if (kept == number).sum() >= _INSIDE * len(tracks.rows_of(number))]


def _at_most(tracks: Tracks, numbers: list[int], most: int) -> list[int]:
    """The first of the numbers of which no frame has more than so many; 0: all."""
    kept: list[int] = []
    count = np.zeros(tracks.stop - tracks.start, int)
    for number in numbers:
        frames = tracks.frame[tracks.rows_of(number)] - tracks.start
        if most == 0 or count[frames].max() < most:
            kept.append(number)
            count[frames] += 1
    return kept

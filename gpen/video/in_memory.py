"""Restore a batch of images as the consecutive frames that they are, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from ..backends import expect
from ..faces.detection.tiles import smallest_face
from ..progress import Progress, part_of, silent, steps_within
from ..restored import GatheredWindows, RestoredBatch
from ..settings import Settings
from ..stages import FoundFaces, Networks
from ..stages.find import NOT_CHOSEN
from ..steps import timed
from ..types import Face, Faces
from .frame_stages import window_length
from .steady import SteadyChain, SteadyState, Tracks, choose_tracks, follow, number_tracks, smooth


def restore_frames(
    images: torch.Tensor,
    networks: Networks,
    settings: Settings,
    *,
    within: Callable[[Faces], Faces] | None = None,
    indices: str = "",
    area: torch.Tensor | None = None,
    batch_size: int = 0,
    progress: Progress = silent,
) -> RestoredBatch:
    """Restore the faces of a batch of images, steadily from one to the next.

    What `restore_video` does to a file, without threads: faces are followed, and begin anew at cuts; crops are held for
    a window of images only.

    Args:
        images: B x 3 x H x W in 0..1, consecutive frames.
        networks: from `load_networks`.
        settings: what to restore and how.
        within: returns those of the faces that may be chosen, see `choose_tracks`.
        indices: numbers of the faces of each shot to restore, such as `0,2-4`; empty: all.
        area: as for `restore_batch`.
        batch_size: faces per forward pass, no more than a window holds; 0: as many as memory allows.
        progress: called regularly with the stages of `pipeline.SHARES`; an exception it raises ends the work.

    Returns:
        As `restore_batch`; but `before` and `after` hold one crop of each face, from the middle of its time, in the
        order in which these come.

    Raises:
        ImageError: the images have a wrong shape or contain NaN.
        SettingsError: `indices` cannot be parsed, or a network for the settings is missing.
        GPENError: there is not enough memory.
    """
    networks.require(settings)
    area = None if area is None else area.expand(len(images), -1, -1, -1)
    seconds: dict[str, float] = {}
    with timed(seconds, "detect"):
        detecting = partial(progress, "detect")
        every = follow(
            enumerate(images),
            networks,
            settings,
            steps_of=lambda number: steps_within(detecting, number, number + 1, len(images)),
        )
    numbers = number_tracks(every, settings, within=within)
    tracks = smooth(choose_tracks(every, settings, indices=indices, within=within), networks.generator.template)
    faces, rows = tracks.faces_of(range(len(images)))
    found = _found(every, tracks, faces, [numbers[int(tracks.track[row])] for row in rows], settings)
    expect(networks.generator.module, faces=len(faces))
    chain, state = SteadyChain(tracks, networks, settings, area=area), SteadyState()
    shown = {int(own[len(own) // 2]) for own in map(tracks.rows_of, tracks.numbers)}
    kept = [position for position, row in enumerate(rows) if int(row) in shown]
    with timed(seconds, "gather"):
        gathered = GatheredWindows(images, faces, networks.generator.module.config.size, kept=kept)
    length = window_length(images.shape[-1], images.shape[-2])
    for first in range(0, len(images), length):
        last, done = min(first + length, len(images)), len(gathered.records)
        window = range(first, last)
        if not len(chain.faces_of(window)):
            continue
        given = images[first:last]
        with timed(seconds, "restore"):
            restored, state = chain.restore(
                given,
                window,
                state,
                batch_size=batch_size,
                progress=part_of(progress, done, done + len(chain.faces_of(window)), len(faces)),
            )
        gathered.add(restored, first, changed=restored.images is not given)
    return gathered.batch(found, seconds, running=networks.generator.running)


def _found(every: Tracks, tracks: Tracks, faces: Faces, numbers: list[int], settings: Settings) -> FoundFaces:
    """The chosen faces of all images with their numbers, and the others."""
    others, rows = every.faces_of(range(every.start, every.stop))
    chosen = set(tracks.numbers)
    rejected = tuple(face for face, row in zip(others, rows, strict=True) if int(every.track[row]) not in chosen)
    numbered: dict[Face, int] = dict(zip(faces, numbers, strict=True))
    least = float(settings.min_face_size or smallest_face(every.size))
    return FoundFaces(faces, replace(others, faces=rejected), (NOT_CHOSEN,) * len(rejected), numbered, least)

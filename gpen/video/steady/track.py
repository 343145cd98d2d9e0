"""A face on its way through the frames, and which faces of two frames are the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ...faces.detection.boxes import box_iou
from .looking import Sight

SAME = 0.35
"""Distance of the centres of two faces, in widths of the face, up to which they are the same."""
# Ratio of the sizes of two sights of the same face.
_SIZES = 1.5
# Share of the area of two boxes that they have in common (intersection over union) from which they show the same face.
_OVERLAP = 0.5
# Share of the last step that a face is expected to go again.
_GOES_ON = 0.7
# Evidence that a track is a face: each detection that finds it counts by the logarithm of the odds of its score, within
# these limits, and each that does not is this much against it. A smudge that was taken for a face once and again has
# scores of 0.9 to 0.997 in up to half of the detections; faces have 0.999 in nearly all of them.
_FOR, _AGAINST = (1.0, 7.0), 4.0


@dataclass(eq=False)
class Track:
    """A face on its way.

    Attributes:
        sights: by frame.
        steps: how the face came from the frame before, by frame; see `find_step`.
        bridged: frames between sights in which it was not seen.
        evidence: that it is a face: logarithm of the odds, from all detections while it was followed.
        unseen: how many detections in a row missed it.
    """

    sights: dict[int, Sight] = field(default_factory=dict)
    steps: dict[int, np.ndarray] = field(default_factory=dict)
    bridged: set[int] = field(default_factory=set)
    evidence: float = 0.0
    unseen: int = 0

    first: int = -1
    last: int = -1

    def add(self, number: int, sight: Sight) -> None:
        """Take in a sight; kept in 32 bits, since there may be very many."""
        self.sights[number] = replace(sight, landmarks68=sight.landmarks68.astype(np.float32))
        self.first = number if self.first < 0 else min(self.first, number)
        self.last = max(self.last, number)

    def drop_last(self) -> None:
        """Forget the last sight."""
        del self.sights[self.last]
        self.steps.pop(self.last, None)
        self.last -= 1

    def forget(self) -> None:
        """Forget all sights but the last two."""
        self.sights = {number: one for number, one in self.sights.items() if number >= self.last - 1}
        self.steps = {number: one for number, one in self.steps.items() if number == self.last}
        self.bridged.clear()

    def expected(self, number: int) -> Sight:
        """Where the face should be in a later frame."""
        own, before = self.sights[self.last], self.sights.get(self.last - 1)
        if before is None:
            return own
        return own.moved(_GOES_ON * (own.centre - before.centre) * min(number - self.last, 3))

    def found(self, score: float) -> None:
        """A detection found it."""
        odds = float(np.log(max(score, 1e-6) / max(1 - score, 1e-6)))
        self.evidence += min(max(odds, _FOR[0]), _FOR[1])
        self.unseen = 0

    def missed(self) -> None:
        """A detection did not find it."""
        self.evidence -= _AGAINST
        self.unseen += 1


def pair_up(tracks: list[Track], sights: list[Sight], number: int, most: float) -> list[tuple[Track, Sight]]:
    """Tracks and the faces that continue them, the nearest first; each once."""
    candidates = sorted(
        (
            (distance(track.expected(number), sight), n, m)
            for n, track in enumerate(tracks)
            for m, sight in enumerate(sights)
        ),
    )
    pairs, used_tracks, used_sights = [], set[int](), set[int]()
    for apart, n, m in candidates:
        if apart > most or n in used_tracks or m in used_sights:
            continue
        used_tracks.add(n)
        used_sights.add(m)
        pairs.append((tracks[n], sights[m]))
    return pairs


def distance(one: Sight, other: Sight) -> float:
    """Distance of two faces in widths of the larger; infinite if their sizes differ too much.

    Faces whose boxes have more than half of their area in common are the same, whatever their landmarks say: those of a
    profile may lie anywhere.
    """
    larger, smaller = max(one.width, other.width), min(one.width, other.width)
    apart = float(np.linalg.norm(one.centre - other.centre)) / max(larger, 1e-6)
    if apart < 1:
        common = float(box_iou(*(torch.from_numpy(sight.box[None]).float() for sight in (one, other))))
        if common > _OVERLAP:
            return min(apart, SAME * (1 - common))
    return apart if larger <= _SIZES * smaller else float("inf")


def bridge(one: Sight, first: int, other: Sight, last: int) -> dict[int, Sight]:
    """The sights between two, on a straight way."""
    return {
        number: Sight(
            one.landmarks68 + part * (other.landmarks68 - one.landmarks68),
            one.box + part * (other.box - one.box),
            one.score,
        )
        for number in range(first + 1, last)
        for part in ((number - first) / (last - first),)
    }

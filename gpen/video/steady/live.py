"""Follow the faces of frames that come one by one, without a look at what follows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch

from ...faces.align import TEMPLATES
from ...faces.select import parse_indices, select_faces
from ...settings import Settings
from ...stages import Networks
from ...types import Face, Faces, Size
from .following import EVERY, Follower
from .live_way import LiveWay
from .looking import Sight
from .smoothing import FADE
from .track import Track
from .tracks import Tracks

# Evidence from which a track counts as a face, see `Track.evidence`: that of one clear detection, or of several; a
# smudge has less. It does until there is none left.
_SURE = 6.0
# A face is in the background from the first share of the detections that say so, and not below the second.
_ASIDE, _AMONG = 0.6, 0.4
# Detections that count like all before.
_MEMORY = 8
# Position between two detections at which the next one is: between two judgements, so that no frame takes both times.
_TURN = EVERY // 2


@dataclass(eq=False)
class _Followed:
    """A face on its way.

    Attributes:
        number: of its track.
        way: smoothed.
        place: its number in the shot; -1 as long as it has none.
        sure: whether it counts as a face.
        seen: how many detections found it, limited, and the share of them that found it in the background.
        among: whether it is one of the main faces.
        wanted: whether it is restored.
        level: how far its strength has risen, 0..1.
        since: number of the first frame in which it was restored without a break.
        gone: shift since it was lost.
    """

    number: int
    way: LiveWay
    place: int = -1
    sure: bool = False
    seen: tuple[int, float] = (0, 0.0)
    among: bool = True
    wanted: bool = False
    level: float = 0.0
    since: int = -1
    gone: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def judge(self, sight: Sight, evidence: float) -> None:
        """Decide whether it counts as a face, and as a main one."""
        self.sure = evidence > 0 if self.sure else evidence >= _SURE
        if sight.detected is not None:
            times, aside = self.seen
            times = min(times + 1, _MEMORY)
            aside += (sight.aside - aside) / times
            self.seen, self.among = (times, aside), aside < (_ASIDE if self.among and times > 1 else _AMONG)

    @property
    def share(self) -> float:
        """Share of the strength."""
        return self.level * self.level * (3 - 2 * self.level)


class LiveFollower:
    """Follows the faces of frames that come one by one, and smooths their ways.

    What is known of a frame depends on it and on those before alone. Nothing grows with their number.

    1. `Follower` finds the faces. A track counts once there is evidence enough that it is a face.
    2. It is smoothed by `LiveWay`.
    3. Its strength rises where it begins within a shot, falls while it is lost, on the way it had, and rises again.

    Args:
        networks: detector and landmarker are used.
        settings: those of detection, and which faces are chosen.
        indices: numbers of the faces to restore, such as `0,2-4`; empty: all. A face has its number as long as it is
            there: the first that is free when it comes, in the order of the settings.

    Raises:
        SettingsError: `indices` cannot be parsed.
    """

    def __init__(self, networks: Networks, settings: Settings, *, indices: str = "") -> None:
        self._follower = Follower(networks, settings, back=0)
        self._settings, self._target = settings, TEMPLATES[networks.generator.template]
        self._indices = set(parse_indices(indices)) if indices.strip() else None
        self._numbers = count()
        self._faces: dict[Track, _Followed] = {}

    @property
    def next_number(self) -> int:
        """The number that the next frame has."""
        return self._follower.next_number

    @property
    def spans(self) -> dict[int, tuple[int, int]]:
        """First frame of each restored face, and the next one: where it ends is not known."""
        return {face.number: (face.since, self.next_number) for face in self._faces.values() if face.level > 0}

    def add(self, frame: torch.Tensor, seconds: float) -> Tracks:
        """Follow the faces into the next frame.

        Args:
            frame: 3 x H x W in 0..1.
            seconds: since the one before, positive.

        Returns:
            The faces to restore in this frame alone.

        Raises:
            ImageError: the frame has another size than the one before, or contains NaN.
        """
        follower, number = self._follower, self.next_number
        size = (frame.shape[-2], frame.shape[-1])
        try:
            follower.add(follower.eye.see(number, frame, search=number % EVERY == _TURN))
        except Exception:
            follower.miss(number, size)
            raise
        present = follower.present
        self._faces = {track: self._faces.get(track) or self._new() for track in present}
        for track, face in self._faces.items():
            self._move(track, face, number, seconds)
        self._choose(size)
        for track, face in self._faces.items():
            rises = face.wanted and track.last == number
            face.level = min(max(face.level + (1 if rises else -1) / (FADE + 1), 0.0), 1.0)
            if rises and number == follower.shot:
                face.level = 1.0
            face.since = -1 if face.level == 0 else number if face.since < 0 else face.since
        follower.forget()
        return self._tracks(number, size)

    def _new(self) -> _Followed:
        return _Followed(next(self._numbers), LiveWay(self._target))

    def _move(self, track: Track, face: _Followed, number: int, seconds: float) -> None:
        if track.last == number:
            face.way.see(track.sights[number], track.steps.get(number), seconds)
            face.judge(track.sights[number], track.evidence)
            face.gone = np.zeros(2)
        else:
            gone = track.expected(number).centre - track.sights[track.last].centre
            face.way.miss(gone - face.gone, seconds)
            face.gone = gone

    def _choose(self, size: Size) -> None:
        """Decide who is restored; who is stays so, as long as it counts."""
        sure = {
            Face(
                tuple(track.sights[track.last].box), track.sights[track.last].score, track.sights[track.last].landmarks
            ): face
            for track, face in self._faces.items()
            if face.sure
        }
        settings = self._settings
        ordered, _ = select_faces(Faces(tuple(sure), (size,)), settings.order, min_face_size=settings.min_face_size)
        taken = {face.place for face in self._faces.values()}
        free = (place for place in count() if place not in taken)
        chosen = []
        for face in map(sure.__getitem__, ordered):
            face.place = next(free) if face.place < 0 else face.place
            if (self._indices is None or face.place in self._indices) and (face.among or not settings.focus):
                chosen.append(face)
        for face in self._faces.values():
            face.wanted = face.wanted and face.sure and (face.among or not settings.focus)
        left = settings.max_faces - sum(face.wanted or face.level > 0 for face in self._faces.values())
        more = [face for face in chosen if not face.wanted]
        for face in more if settings.max_faces == 0 else more[: max(left, 0)]:
            face.wanted = True

    def _tracks(self, number: int, size: Size) -> Tracks:
        shown = sorted(
            ((face, track) for track, face in self._faces.items() if face.level > 0), key=lambda one: one[0].number
        )
        ways, rows = [face.way.now() for face, _ in shown], len(shown)

        def stack(values: list, *shape: int) -> np.ndarray:
            return np.array(values, np.float32).reshape(rows, *shape)

        return Tracks(
            size=size,
            start=number,
            stop=number + 1,
            cuts=np.array([self._follower.shot], np.int64),
            frame=np.full(rows, number, np.int64),
            track=np.array([face.number for face, _ in shown], np.int32),
            landmarks=stack([way[0] for way in ways], 5, 2),
            landmarks68=stack([way[1] for way in ways], 68, 2),
            box=stack([way[2] for way in ways], 4),
            score=stack([track.sights[track.last].score for _, track in shown]),
            detected=np.full((rows, 5, 2), math.nan, np.float32),
            step=np.full((rows, 2, 3), math.nan),
            aside=np.zeros(rows, bool),
            bridged=np.array([track.last < number for _, track in shown], bool),
            share=stack([face.share for face, _ in shown]),
        )

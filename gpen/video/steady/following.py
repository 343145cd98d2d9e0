"""Follow the faces of a video from frame to frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import torch

from ...errors import ImageError
from ...progress import Steps, no_steps
from ...settings import Settings
from ...stages import Networks
from ...types import Size
from .cuts import CutFinder
from .looking import Eye, SeenFrame, Sight
from .steps import find_step
from .track import SAME, Track, bridge, distance, pair_up
from .tracks import Tracks

EVERY = 8
"""Frames from one detection to the next."""
# The same as `track.SAME` for a detection and a track that was lost before.
_SAME_LATER = 0.8
# A face that left the frame in part has this many frames in which nothing inside its box, and of at most this share of
# its width, is a face: the detector takes a nose or an eye for one.
_REMAINS, _PART = 48, 0.55
# A track that was lost is bridged over this many frames. One that is followed ends when so many detections in a row
# do not find it.
_BRIDGED, _UNSEEN = 12, 4


class Follower:
    """Follows faces through the frames of a video, one after another.

    Every few frames, and after each cut, faces are detected. Between, each face is found again by the network for 68
    landmarks, which starts at the position in the frame before; what does not look like a face there, or jumps, is lost
    and looked for by a detection at once. A face that a detection finds anew is followed back to the detection before,
    and if it continues a track that was lost shortly before, the gap is bridged.

    Args:
        networks: detector and landmarker are used.
        settings: those of detection.
        back: number of frames over which a new face is followed back; 0 if those before are not needed any more.
    """

    def __init__(self, networks: Networks, settings: Settings, *, back: int = EVERY) -> None:
        self.eye = Eye(networks, settings)
        self._cuts = CutFinder()
        self._begun: list[int] = []
        self._start = self._stop = 0
        self._size: Size | None = None
        self._live: list[Track] = []
        self._lost: list[Track] = []
        self._ended: list[Track] = []
        # The frames since the last detection, for following back.
        self._recent: deque[SeenFrame] = deque(maxlen=back)
        self._before: SeenFrame | None = None

    def add(self, frame: SeenFrame) -> None:
        """Follow the faces into the next frame.

        Raises:
            ImageError: it does not follow on the one before, or has another size.
        """
        size = (frame.image.shape[-2], frame.image.shape[-1])
        if self._size is None:
            self._size, self._start = size, frame.number
        elif (frame.number, size) != (self._stop, self._size):
            raise ImageError(f"Frame {frame.number} of size {size} came after frame {self._stop - 1} of {self._size}.")
        self._stop = frame.number + 1
        faces = frame.faces
        if self._cuts.begins_shot(frame.small):
            self._begun.append(frame.number)
            self._end_all()
            faces = self.eye.detect(frame.image) if faces is None else faces
        lost = self._go_on(frame)
        if lost and faces is None:
            faces = self.eye.detect(frame.image)
        if faces is not None:
            self._compare(frame, faces)
            self._recent.clear()
        for track in self._live:
            self._measure_step(track, self._before, frame)
        self._before = frame
        self._recent.append(frame)
        ended = [track for track in self._lost if track.last + _BRIDGED < frame.number]
        self._lost = [track for track in self._lost if track not in ended]
        self._ended += ended

    def miss(self, number: int, size: Size) -> None:
        """Pass over the next frame, which cannot be looked at; faces that are found again soon are bridged.

        Args:
            number: of the frame.
            size: (height, width) of the frames.
        """
        if self._size is None:
            self._size, self._start = size, number
            self._begun.append(number)
        self._stop = number + 1
        self._lost += self._live
        self._live = []
        self._recent.clear()

    @property
    def next_number(self) -> int:
        """The number that the next frame has."""
        return self._stop

    @property
    def shot(self) -> int:
        """Number of the first frame of the shot."""
        return self._begun[-1]

    @property
    def present(self) -> tuple[Track, ...]:
        """The tracks that may go on, whether they were found in the last frame or lost before."""
        return (*self._live, *self._lost)

    def forget(self) -> None:
        """Forget what following on does not need, so that there may be any number of frames.

        `tracks` has no more than the last two frames of each face then.
        """
        self._ended = [track for track in self._ended if track.last >= max(self._stop - _REMAINS, self.shot)]
        for track in (*self.present, *self._ended):
            track.forget()
        del self._begun[:-1]

    def tracks(self) -> Tracks:
        """The faces of all frames up to now."""
        done = [track for track in (*self._ended, *self._lost, *self._live) if track.evidence > 0]
        done.sort(key=lambda track: (track.first, -track.sights[track.first].score))
        rows = sorted((frame, number) for number, track in enumerate(done) for frame in track.sights)
        sights = [done[number].sights[frame] for frame, number in rows]
        nowhere, unknown = np.full((5, 2), np.nan), np.full((2, 3), np.nan)
        steps = [done[number].steps.get(frame, unknown) for frame, number in rows]
        place = np.array(rows, np.int64).reshape(-1, 2)
        return Tracks(
            size=self._size or (0, 0),
            start=self._start,
            stop=self._stop,
            cuts=np.array(self._begun, np.int64),
            frame=place[:, 0],
            track=place[:, 1].astype(np.int32),
            landmarks=_stack([one.landmarks for one in sights], 5, 2),
            landmarks68=_stack([one.landmarks68 for one in sights], 68, 2),
            box=_stack([one.box for one in sights], 4),
            score=_stack([one.score for one in sights]),
            detected=_stack([nowhere if one.detected is None else one.detected for one in sights], 5, 2),
            step=np.array(steps, np.float64).reshape(-1, 2, 3),
            aside=np.array([one.aside for one in sights], bool),
            bridged=np.array([frame in done[number].bridged for frame, number in rows], bool),
            share=np.ones(len(rows), np.float32),
        )

    def _end_all(self) -> None:
        self._ended += self._live + self._lost
        self._live, self._lost = [], []
        self._recent.clear()

    def _go_on(self, frame: SeenFrame) -> bool:
        """Find the faces of all tracks in the next frame; whether one was lost."""
        found = self.eye.find_again(frame.image, [track.expected(frame.number) for track in self._live])
        for track, sight in zip(self._live, found, strict=True):
            if sight is not None:
                track.add(frame.number, sight)
        lost = [track for track, sight in zip(self._live, found, strict=True) if sight is None]
        lost += self._doubles(frame.number)
        self._live = [track for track in self._live if track not in lost]
        self._lost += lost
        return bool(lost)

    def _doubles(self, number: int) -> list[Track]:
        """The younger of two tracks that have come to the same face."""
        doubles: list[Track] = []
        own = [track for track in self._live if number in track.sights]
        own.sort(key=lambda track: track.first)
        for n, track in enumerate(own):
            if any(distance(track.sights[number], other.sights[number]) < SAME / 2 for other in own[:n]):
                track.drop_last()
                doubles += [track] if track.sights else []
        return doubles

    def _compare(self, frame: SeenFrame, faces: tuple[Sight, ...]) -> None:
        """Compare the tracks with the faces of a detection."""
        number, left = frame.number, list(faces)
        for track, sight in pair_up(self._live, left, number, SAME):
            left.remove(sight)
            own = track.sights[number]
            # All frames get their landmarks in the same way, so that detections are not seen as jumps.
            track.add(number, Sight(own.landmarks68, sight.box, sight.score, sight.detected, sight.aside))
            track.found(sight.score)
        for track in self._live:
            if track.sights[number].detected is None:
                track.missed()
        gone = [track for track in self._live if track.unseen >= _UNSEEN]
        for track, sight in pair_up(self._lost, left, number, _SAME_LATER):
            left.remove(sight)
            self._continue(track, frame, sight)
            self._lost.remove(track)
        for track in self._lost:
            track.missed()
        for sight in left:
            if not self._is_part(sight, number):
                self._continue(Track(), frame, sight)
        self._live = [track for track in self._live if track not in gone]
        self._lost += gone

    def _is_part(self, sight: Sight, number: int) -> bool:
        """Whether this can be a part of a face that goes beyond the frame."""
        assert self._size is not None
        height, width = self._size
        for track in (*self._live, *self._lost, *self._ended):
            large = track.sights[track.last]
            low, high = large.box[:2], large.box[2:]
            if (
                max(number - _REMAINS, self._begun[-1]) <= track.last
                and (low.min() < 0 or high[0] > width or high[1] > height)
                and sight.box[2] - sight.box[0] <= _PART * (high[0] - low[0])
                and np.all((low <= (middle := sight.box.reshape(2, 2).mean(axis=0))) & (middle <= high))
            ):
                return True
        return False

    def _continue(self, track: Track, frame: SeenFrame, sight: Sight) -> None:
        """Go on with a track at a detection: follow the face back, and bridge what is left of the gap."""
        last = track.last
        back = {frame.number: sight}
        for earlier in reversed(self._recent):
            known = back.get(earlier.number + 1)
            if known is None or earlier.number <= last:
                break
            (again,) = self.eye.find_again(earlier.image, [known])
            if again is None or any(
                earlier.number in other.sights and distance(other.sights[earlier.number], again) < SAME
                for other in (*self._live, *self._lost)
            ):
                break
            back[earlier.number] = again
        if last >= 0:
            between = bridge(track.sights[last], last, back[min(back)], min(back))
            back |= between
            track.bridged |= between.keys()
        for number, one in back.items():
            track.add(number, one)
        for earlier, later in pairwise([*self._recent, frame]):
            self._measure_step(track, earlier, later)
        track.found(sight.score)
        self._live.append(track)

    def _measure_step(self, track: Track, before: SeenFrame | None, frame: SeenFrame) -> None:
        """Measure how a face came from one frame to the next, if it was seen in both and that is not known."""
        was = None if before is None else track.sights.get(before.number)
        now = track.sights.get(frame.number)
        if before is None or was is None or now is None or frame.number in track.steps:
            return
        step = find_step(before.luma, frame.luma, was, now)
        if step is not None:
            track.steps[frame.number] = step


def follow(
    frames: Iterable[tuple[int, torch.Tensor]],
    networks: Networks,
    settings: Settings,
    *,
    steps_of: Callable[[int], Steps] = lambda number: no_steps,
) -> Tracks:
    """Follow the faces of a video.

    Args:
        frames: number and pixels, 3 x H x W in 0..1, of consecutive frames.
        networks: detector and landmarker are used.
        settings: those of detection: `score_threshold`, `min_face_size`, `rotated` and `focus`.
        steps_of: returns, for the number of a frame, what is called while it is searched and after it.

    Returns:
        All faces, chosen or not, as they were found: see `smooth` and `choose_tracks`.

    Raises:
        ImageError: a frame is missing, has another size or contains NaN.
    """
    follower = Follower(networks, settings)
    for number, frame in frames:
        steps = steps_of(number)
        follower.add(follower.eye.see(number, frame, search=number % EVERY == 0, steps=steps))
        steps(1, 1)
    return follower.tracks()


def _stack(values: list, *shape: int) -> np.ndarray:
    return np.array(values, np.float32).reshape(len(values), *shape)

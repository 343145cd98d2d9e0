"""The second pass over a video: windows of frames through the stages of the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from ..backends import expect
from ..jobs.flow import Check, Stage, flow
from ..restorer import Restorer
from ..stages import FaceRecord
from ..steps import restore_together, restore_window_crops
from .files import Frame, VideoInfo
from .frame_flow import FrameFlow
from .steady import SteadyChain, SteadyState, SteadyWork, Tracks

# Frames of a window, and their pixels at most: what is judged of a face changes evenly within a window.
_FRAMES, _PIXELS = 8, 4_000_000
# Faces of one pass of the network on a GPU. On a CPU, a pass of several costs as much for each.
_GPU_PASS = 8


@dataclass(frozen=True, eq=False)
class RestoredFrame:
    """A frame with its faces restored.

    Attributes:
        frame: ready to be encoded.
        tracks: the track of each face in it.
        records: the record of each.
        state: what the frames after it begin with, after the last of a segment; otherwise None.
    """

    frame: Frame
    tracks: tuple[int, ...] = ()
    records: tuple[FaceRecord, ...] = ()
    state: SteadyState | None = None


@dataclass(eq=False)
class _Window:
    """Consecutive frames on their way."""

    frames: list[Frame]
    is_last: bool
    work: SteadyWork = field(init=False)
    state: SteadyState | None = None

    def __post_init__(self) -> None:
        self.work = SteadyWork([frame.number for frame in self.frames], torch.zeros(0))


class FrameStages:
    """The stages for one video.

    Args:
        restorer: models and settings.
        tracks: smooth ones of the faces to restore.
        state: what the frames before the first one left behind.
        segments: first frame of each segment that is left, and the one after its last.
        flowing: threads and memory.
    """

    def __init__(
        self,
        restorer: Restorer,
        tracks: Tracks,
        state: SteadyState,
        segments: Sequence[tuple[int, int]],
        flowing: FrameFlow,
    ) -> None:
        self._networks, self._flowing, self._segments = restorer.networks, flowing, segments
        self._chain = SteadyChain(tracks, restorer.networks, restorer.settings)
        self._values: Mapping[int, Any] = state.values
        self._details: Mapping[int, Any] = state.details

    def run(self, frames: Iterator[Frame], info: VideoInfo) -> Iterator[RestoredFrame]:
        """Restore frames, from the first of the segments on; closing the iterator ends the work within seconds.

        Raises:
            GPENError: there is not enough memory.
        """
        length = max(1, min(_FRAMES, _PIXELS // (info.width * info.height)))
        options = self._flowing.how(info, frames=length)
        with closing(flow(self._windows(frames, length), self._stages(), **options)) as windows:
            for done in windows:
                if done.error is not None:
                    raise done.error
                yield from _frames_of(done.value)

    def _windows(self, frames: Iterator[Frame], length: int) -> Iterator[_Window]:
        """Windows begin with each segment, so that a video that goes on after a stop has the same ones."""
        for first, last in self._segments:
            for begin in range(first, last, length):
                end = min(begin + length, last)
                taken = list(islice(frames, end - begin))
                if taken:
                    yield _Window(taken, end == last)

    def _stages(self) -> list[Stage]:
        limit = self._flowing.network
        if self._flowing.on_gpu:
            network = Stage("restore", self._restore_together, limit, _GPU_PASS, lambda window: len(window.work.track))
        else:
            network = _alone("restore", self._restore, limit)
        return [
            _alone("cut", self._cut, limit),
            network,
            _alone("judge", lambda window: self._chain.judge_frames(window.work), limit),
            _alone("settle", self._settle, in_order=True),
            _alone("shape", lambda window: self._chain.shape_frames(window.work), limit),
            _alone("carry", self._carry, in_order=True),
            _alone("paste", self._paste, limit),
        ]

    def _cut(self, window: _Window) -> None:
        if len(self._chain.faces_of(window.work.numbers)):
            window.work.images = torch.stack([frame.rgb() for frame in window.frames])
            self._chain.cut_frames(window.work)

    def _restore(self, window: _Window) -> None:
        crops = window.work.crops
        if crops is not None:
            expect(self._networks.generator.module, faces=len(crops))
            window.work.answer = restore_window_crops(crops, self._networks, batch_size=1, announced=True)

    def _restore_together(self, windows: Sequence[_Window], check: Check) -> Sequence[_Window]:
        with_faces = [window.work for window in windows if window.work.crops is not None]
        crops = [work.crops for work in with_faces if work.crops is not None]
        expect(self._networks.generator.module, faces=sum(map(len, crops)))
        answers = restore_together(
            crops, self._networks, batch_size=_GPU_PASS, progress=lambda stage, done, total: check()
        )
        for work, answer in zip(with_faces, answers, strict=True):
            work.answer = answer
        return windows

    def _settle(self, window: _Window) -> None:
        self._values = self._chain.settle_frames(window.work, self._values)
        window.state = SteadyState(self._values, {})

    def _carry(self, window: _Window) -> None:
        assert window.state is not None
        self._details = self._chain.carry_frames(window.work, self._details)
        window.state = SteadyState(window.state.values, self._details) if window.is_last else None

    def _paste(self, window: _Window) -> None:
        work = window.work
        if work.cut is None:
            return
        before = work.images
        self._chain.paste_frames(work)
        assert work.result is not None
        if work.result.images is before:
            return
        for frame, own, new, mask in zip(window.frames, before, work.result.images, work.result.mask, strict=True):
            frame.add_change(own, new.cpu(), mask.cpu())


def _alone(name: str, run: Callable[[_Window], None], *limit: Any, in_order: bool = False) -> Stage:
    def work(windows: Sequence[_Window], check: Check) -> Sequence[_Window]:
        check()
        for window in windows:
            run(window)
        return windows

    return Stage(name, work, *limit, in_order=in_order)


def _frames_of(window: _Window) -> Iterable[RestoredFrame]:
    work, last = window.work, len(window.frames) - 1
    records = work.result.records if work.result else ()
    for position, frame in enumerate(window.frames):
        own = [n for n, record in enumerate(records) if record.face.image_index == position]
        yield RestoredFrame(
            frame,
            tuple(work.track[n] for n in own),
            tuple(records[n] for n in own),
            window.state if position == last else None,
        )

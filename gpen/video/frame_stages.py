"""The second pass over a video: windows of frames through the stages of the chain."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

import torch

from ..jobs.flow import Check, Stage, flow
from ..restored import RestoredWindow
from ..restorer import Restorer
from ..stages import FaceRecord
from .failures import FailuresInARow, sparing
from .files import Frame, VideoInfo
from .frame_flow import FrameFlow
from .steady import SteadyChain, SteadyState, SteadyWork, Tracks, steady_stages

# Frames of a window, and their pixels at most: what is judged of a face changes evenly within a window.
_FRAMES, _PIXELS = 8, 4_000_000


@dataclass(frozen=True, eq=False)
class RestoredFrame:
    """A frame with its faces restored.

    Attributes:
        frame: ready to be encoded.
        tracks: the track of each face in it.
        records: the record of each.
        backend: what ran the network for them; empty if nothing did.
        state: what the frames after it begin with, after the last of a segment; otherwise None.
        shown: 1 x 3 x S x 2S, its largest restored face before and after, in some frames; otherwise None.
        failed: why it could not be restored and stays as it was; empty if it could.
    """

    frame: Frame
    tracks: tuple[int, ...] = ()
    records: tuple[FaceRecord, ...] = ()
    backend: str = ""
    state: SteadyState | None = None
    shown: torch.Tensor | None = None
    failed: str = ""


def window_length(width: int, height: int) -> int:
    """Frames of a window, by their size."""
    return max(1, min(_FRAMES, _PIXELS // (width * height)))


class _Window(SteadyWork):
    """Consecutive frames on their way; `images` is empty if they have no face."""

    def __init__(self, frames: list[Frame], *, ends_segment: bool) -> None:
        super().__init__([frame.number for frame in frames], torch.zeros(0, 3, 0, 0))
        self.frames, self.ends_segment = frames, ends_segment
        self.shown: torch.Tensor | None = None  # as in the last RestoredFrame


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
        self._flowing, self._segments = flowing, segments
        self._chain = SteadyChain(tracks, restorer.networks, restorer.settings)
        steady = steady_stages(self._chain, restorer.networks, state, on_gpu=flowing.on_gpu)
        stages = [Stage("read", self._read), *steady, Stage("put back", _put_back)]
        self._stages = [sparing(stage, restorer.device) for stage in stages]

    def run(
        self, frames: Iterator[Frame], info: VideoInfo, look: Callable[[], object] = lambda: None
    ) -> Generator[RestoredFrame, None, None]:
        """Restore frames, from the first of the segments on; closing the iterator ends the work within seconds.

        Frames that cannot be restored stay as they are, and tell why.

        Args:
            frames: those of the segments.
            info: the video.
            look: called in the caller's thread several times a second while it waits; what it raises ends the work.

        Raises:
            Exception: what is wrong is wrong with more than some frames.
        """
        length = window_length(info.width, info.height)
        options, failures = self._flowing.how(info, frames=length, look=look), FailuresInARow()
        with closing(flow(self._windows(frames, length), self._stages, **options)) as windows:
            for done in windows:
                if done.error is not None:
                    raise done.error
                window: _Window = done.value
                assert window.result is not None
                failures.count(len(window.frames), window.failed, faces=bool(window.result.records))
                yield from _frames_of(window)

    def _windows(self, frames: Iterator[Frame], length: int) -> Iterator[_Window]:
        """Windows begin with each segment, so that a video that goes on after a stop has the same ones."""
        for first, last in self._segments:
            for begin in range(first, last, length):
                end = min(begin + length, last)
                taken = list(islice(frames, end - begin))
                if taken:
                    yield _Window(taken, ends_segment=end == last)

    def _read(self, windows: Sequence[_Window], check: Check) -> Sequence[_Window]:
        for window in windows:
            check()
            if not window.failed and self._chain.changes(window.numbers):
                window.images = torch.stack([frame.rgb() for frame in window.frames])
        return windows


def _put_back(windows: Sequence[_Window], check: Check) -> Sequence[_Window]:
    """Put what changed into the frames; pixels and crops are not needed any more."""
    for window in windows:
        check()
        assert window.result is not None
        result = window.result
        if result.images is not window.images:
            for frame, own, new, mask in zip(window.frames, window.images, result.images, result.mask, strict=True):
                frame.add_change(own, new.cpu(), mask.cpu())
        window.shown = _largest_face(result)
        window.images = nothing = torch.zeros(0, 3, 0, 0)
        window.result = replace(result, images=nothing, mask=nothing[:, :1], before=nothing, after=nothing)
    return windows


def _largest_face(result: RestoredWindow) -> torch.Tensor | None:
    """1 x 3 x S x 2S on the CPU: the largest face of the last frame with one that was restored, before and after."""
    done = [n for n, record in enumerate(result.records) if record.left_alone is None]
    if not done:
        return None
    faces = [result.records[n].face for n in done]
    last = max(face.image_index for face in faces)
    largest = max((face.width * (face.image_index == last), n) for n, face in zip(done, faces, strict=True))[1]
    return torch.cat([result.before[largest], result.after[largest]], dim=-1)[None].cpu()


def _frames_of(window: _Window) -> Iterator[RestoredFrame]:
    assert window.result is not None
    records, last = window.result.records, len(window.frames) - 1
    for position, frame in enumerate(window.frames):
        own = [n for n, record in enumerate(records) if record.face.image_index == position]
        yield RestoredFrame(
            frame,
            tuple(window.track[n] for n in own),
            tuple(records[n] for n in own),
            window.backend,
            window.state if window.ends_segment and position == last else None,
            window.shown if position == last else None,
            window.failed,
        )

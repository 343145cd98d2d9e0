"""The frames of a video, one by one."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...wording import count
from .batches import batch_frames
from .continuity import timeline_of
from .decoding import Decoder, without_order
from .extent import ends_early
from .frame import Frame
from .info import VideoInfo
from .opening import Tell, av_errors, main_stream, open_video, untold, video_errors
from .planes import reformatted
from .sequences import picture_frames

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame

# Seconds before a frame at which its key frame is looked for: seeking is inexact, and in an open group of pictures
# the key frame is shown after frames that need an earlier one.
_SEEK_BACK = (0, 2, 10, 60)
# Seconds before its declared end at which a file is cut off, if its frames followed each other faster before.
_EARLY = 0.5
# Share of the steps from frame to frame that must be equal, so that the rate is constant; and different ones at most.
_EVEN, _STEPS = 0.95, 1000


def read_frames(
    info: VideoInfo,
    *,
    start: int = 0,
    stop: int | None = None,
    times: np.ndarray | None = None,
    tell: Tell = untold,
) -> Generator[Frame, None, None]:
    """Read the frames of a video.

    A file that is cut off or damaged gives what can be decoded, and a note tells. Times that jump are made continuous,
    and those that do not rise are moved by one unit.

    Args:
        info: of `read_info`.
        start, stop: numbers of the first frame, and of the one after the last.
        times: of all frames, from an earlier reading or of `read_times`. With them, `start` costs no more than the
            frames since the key frame before it, unless times jump.
        tell: called with notes.

    Yields:
        Frames in the order in which they are shown. Each is a picture of its own, which may be kept and changed.

    Raises:
        VideoError: the file cannot be read any more.
    """
    if info.pictures:
        yield from picture_frames(info, start, stop)
        return
    if info.images is not None:
        yield from batch_frames(info, start, stop)
        return
    if start and times is not None and start < len(times) and not timeline_of(info.path):
        with open_video(info.path) as container, video_errors(info.path):
            reader = _Reader(info, container, tell)
            for frame in reader.from_near(start, times):
                if stop is not None and frame.number >= stop:
                    return
                if frame.number == start and frame.time != times[start]:
                    break  # the file seeks inexactly
                if frame.number >= start:
                    yield frame
            else:
                if reader.found:
                    return
    with open_video(info.path) as container, video_errors(info.path):
        for frame in _Reader(info, container, tell).from_first():
            if stop is not None and frame.number >= stop:
                return
            if frame.number >= start:
                yield frame


def read_times(info: VideoInfo) -> np.ndarray:
    """The times of all frames, int64, rising, without decoding; those of a damaged file may be others.

    Raises:
        VideoError: the file cannot be read any more.
    """
    if not info.is_file:
        return np.arange(info.frame_count or 0, dtype=np.int64)
    with open_video(info.path) as container, video_errors(info.path):
        read = timeline_of(info.path).mended(container.demux(main_stream(container)))
        packets = [packet for packet in read if packet.size and not packet.is_discard]
        times = [packet.dts if without_order(container) else packet.pts for packet in packets]
    return np.array(sorted(time for time in times if time is not None), np.int64)


class _Reader:
    """Decodes one open file from one place on."""

    def __init__(self, info: VideoInfo, container: InputContainer, tell: Tell) -> None:
        stream = main_stream(container)
        assert stream is not None  # open_video looked
        self._info, self._container, self._stream, self._tell = info, container, stream, tell
        self._color = info.color_model()
        self._timeline = timeline_of(info.path)
        self._decoder = Decoder(container, stream, self._timeline)
        self._other = False  # whether a frame was unlike the first
        self.found = False  # whether `from_near` got anywhere

    def from_first(self) -> Iterator[Frame]:
        """All frames; then, what was missing is told."""
        info, decoder, steps = self._info, self._decoder, _Steps()
        last = longest = number = 0
        for note in self._timeline.notes:
            self._tell(note)
        for frame in self._framed(decoder.pictures(), 0):
            yield frame
            if frame.number:
                longest = max(longest, frame.time - last)
                steps.add(last, frame.time)
            last = frame.time
            number = frame.number + 1
        missing = decoder.missing()
        rest = 0 if info.end is None else info.end - last
        early = rest * info.time_base > _EARLY and rest > 2 * longest > 0
        if decoder.cut or missing > 0 or early or ends_early(info.path):
            lost = f": {count(missing, 'frame')} of {info.frame_count} are missing" if missing > 0 else ""
            self._tell(f"{info.path} is cut off{lost}; what could be decoded was read.")
        # With other codecs, a packet may hold no frame that is shown.
        damaged = max(
            decoder.damaged, decoder.packets - decoder.hidden - number if info.codec in ("h264", "hevc") else 0
        )
        if damaged:
            places = count(damaged, "place")
            self._tell(f"{info.path} is damaged in {places}; frames there are missing or faulty.")

        lost, place = steps.lost()
        if lost and not missing and self._container.format.name != "avi":  # it leaves out frames that do not change
            when = float(place * info.time_base)
            frames = count(lost, "frame")
            self._tell(f"{info.path} has no picture for {frames}, the first after {when:.2f} s; it may be damaged.")

    def from_near(self, start: int, times: np.ndarray) -> Iterator[Frame]:
        """Frames from a key frame that is not after `start`; none if there is no way to seek."""
        target = int(times[start])
        for seconds in _SEEK_BACK:
            try:
                self._container.seek(target - int(seconds / self._info.time_base), stream=self._stream)
            except av_errors():
                return
            pictures = self._decoder.pictures()
            first = next(pictures, None)
            if first is None or first.pts is None or not first.key_frame or first.pts > target:
                continue
            number = int(np.searchsorted(times, first.pts))
            if times[number] == first.pts:
                self.found = True
                yield from self._framed(itertools.chain([first], pictures), number)
                return

    def _framed(self, pictures: Iterator[VideoFrame], first: int) -> Iterator[Frame]:
        info, layout = self._info, self._info.layout
        step = max(1, round(1 / (info.rate * info.time_base))) if info.rate else 1
        time: int | None = None
        for number, picture in enumerate(pictures, first):
            rising = picture.pts if picture.pts is not None else 0 if time is None else time + step
            time = rising if time is None else max(rising, time + 1)
            key = picture.key_frame
            if (picture.width, picture.height) != info.stored_size or picture.format.name != info.pixel_format:
                if not self._other:
                    self._tell(f"{info.path} changes its size or format; all frames become like the first.")
                self._other = True
                picture = reformatted(picture, *info.stored_size, layout.name)
            elif picture.format.name != layout.name or any(plane.line_size < 0 for plane in picture.planes):
                picture = reformatted(picture, *info.stored_size, layout.name)
            picture.pts = time
            yield Frame(number, time, key, picture, self._color, info.orientation)


class _Steps:
    """The steps from frame to frame: where nearly all are equal, longer ones tell that frames are missing."""

    def __init__(self) -> None:
        self._numbers: Counter[int] = Counter()
        self._first: dict[int, int] = {}

    def add(self, one: int, next_one: int) -> None:
        """Take in the times of two frames that follow each other."""
        step = next_one - one
        if step in self._numbers or len(self._numbers) < _STEPS:
            self._numbers[step] += 1
            self._first.setdefault(step, one)

    def lost(self) -> tuple[int, int]:
        """Number of frames that are missing between others, and the time before the first one."""
        if not self._numbers:
            return 0, 0
        usual = self._numbers.most_common(1)[0][0]
        even = sum(number for step, number in self._numbers.items() if abs(step - usual) <= 1)
        if even < _EVEN * self._numbers.total():
            return 0, 0
        long = [step for step in self._numbers if step > 1.5 * usual + 1]
        lost = sum(self._numbers[step] * (round(step / usual) - 1) for step in long)
        return lost, min((self._first[step] for step in long), default=0)

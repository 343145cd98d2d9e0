"""Join segments to one file, with everything else that was in the source."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ....weights.files import replacing
from ...errors import VideoError
from ...wording import agree, count
from .containers import format_of, muxer_options, room, write_matrix
from .continuity import AS_IT_IS, timeline_of
from .copying import Span, add_streams, copied_packets, copy_about, stream_metadata
from .encoders import Encoder, add_video_stream
from .info import VideoInfo
from .opening import Look, Tell, av_errors, disposition_of, open_video, require_av, unseen, untold, url_of, video_errors
from .orientation import Orientation

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Bytes of a GIF's header without a palette.
_GIF_HEADER = 13
# Packets among which the next frame is, whatever the group of pictures and where seeking ends.
_LOOK_AHEAD = 1000


def join(
    segments: Sequence[str | Path],
    info: VideoInfo,
    encoder: Encoder,
    target: str | Path,
    *,
    trimmed: bool = False,
    tell: Tell = untold,
    look: Look = unseen,
) -> None:
    """Join segments, and copy all other streams, chapters and metadata of the source.

    Frames keep their times. The file is written whole or not at all.

    Args:
        segments: in their order, all written with `encoder`.
        info: of the source.
        encoder: of the segments.
        target: its suffix says the kind of file.
        trimmed: the segments are a part of the source: the result begins at 0, and the other streams are cut.
        tell: called with what could not be kept.
        look: called after each packet; what it raises ends the work.

    Raises:
        VideoError: a segment is missing or was written otherwise, or the target cannot be written.
    """
    target = Path(target)
    container_format = format_of(target)
    times, ranks = _times_of(segments, info)
    span = _span(info, times) if trimmed else None
    decoding = _decoding_times(times, ranks)
    durations = np.append(np.diff(times), _last_duration(info, int(times[-1])))
    shift = int(times[0]) if trimmed else 0
    with video_errors(target, "written"), replacing(target) as temporary, ExitStack() as files:
        source = files.enter_context(_others(info)) if info.is_file or info.streams else None
        container = files.enter_context(
            require_av().open(
                url_of(temporary),
                "w",
                format=container_format,
                container_options=muxer_options(container_format, info, source.metadata if source else {}),
                metadata_errors="surrogateescape",
            )
        )
        stream = add_video_stream(container, encoder, info)
        turned = _turn(stream, info)
        copied: Iterator[tuple[float, Packet]] = iter(())
        if source is not None:
            if info.is_file:
                original = source.streams[info.stream]
                stream.metadata.update(stream_metadata(original))
                stream.disposition = disposition_of(original)  # type: ignore[assignment]
            others = add_streams(source, container, info, tell)
            copy_about(source, container, span, tell)
            timeline = timeline_of(info.path) if info.is_file else AS_IT_IS
            hides = container_format in ("mp4", "mov")
            copied = copied_packets(source, others, span, tell, timeline, hides=hides)
        container.start_encoding()
        moments = (decoding - shift, times[ranks] - shift, durations[ranks])
        video = _video_packets(segments, stream, info, moments)
        kinds = {own.index: own.type for own in container.streams}
        damaged: Counter[int] = Counter()
        for _, packet in heapq.merge(video, copied, key=lambda pair: pair[0]):
            index = packet.stream_index
            try:
                container.mux_one(packet)
            except _refused_packet():
                if index == stream.index:
                    raise
                damaged[index] += 1
            look()
        container.close()
        for index, number in damaged.items():
            packets, are = count(number, "packet"), agree(number, "is", "are")
            tell(
                f"{packets} of {kinds[index]} stream {index} of the result {are} left out: damaged, or not held there."
            )
        if not turned and not write_matrix(temporary, info.orientation.matrix):
            tell(f"The video is stored turned by {info.rotation} degrees, which could not be written to the file.")


def _refused_packet() -> tuple[type[Exception], ...]:
    """What is raised for a packet that is wrong, and not for a disk that is full."""
    error = require_av().error
    return (error.InvalidDataError, error.ArgumentError)


def _others(info: VideoInfo) -> AbstractContextManager[InputContainer]:
    """The file with the other streams, opened."""
    return open_video(info.path) if info.is_file else require_av().open(url_of(info.path))


def _times_of(segments: Sequence[str | Path], info: VideoInfo) -> tuple[np.ndarray, np.ndarray]:
    """All times, rising, and for each packet the place of its time among them."""
    stored: list[int] = []
    kind = None
    for path in segments:
        with open_video(path) as segment, video_errors(Path(path)):
            context = segment.streams.video[0].codec_context
            kind, first = (context.name, context.width, context.height, context.extradata), kind
            if first not in (None, kind):
                raise VideoError(f"{path} was encoded in another way than the segments before; write all anew.")
            packets = segment.demux(segment.streams.video[0])
            stored += [
                round(packet.pts * packet.time_base / info.time_base) for packet in packets if packet.pts is not None
            ]
    times = np.array(stored, np.int64) - room(info)
    order = np.argsort(times, kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    times = times[order]
    if not len(times):
        raise VideoError("There is no segment to join.")
    if (np.diff(times) <= 0).any():
        raise VideoError("The segments overlap: two frames have the same time.")
    return times, ranks


def _decoding_times(times: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """When each packet is due: as late as the order in which frames are shown allows, and always rising."""
    delay = int((np.arange(len(ranks)) - ranks).max())
    step = max(int(times[1] - times[0]), 1) if len(times) > 1 else 1
    before = times[0] - step * np.arange(delay, 0, -1)
    return np.concatenate([before, times])[: len(times)]


def _last_duration(info: VideoInfo, time: int) -> int:
    """How long the frame of a time is shown in the source, where other frames may follow."""
    duration = 0
    if not info.is_file:
        return 1
    with open_video(info.path) as source, video_errors(info.path):
        stream, timeline = source.streams[info.stream], timeline_of(info.path)
        if stream.duration and not timeline:
            duration = (stream.start_time or 0) + stream.duration - time
        try:
            if timeline:  # times of the file itself say nothing
                packets = [packet for packet in timeline.mended(source.demux(stream)) if packet.pts is not None]
            else:
                source.seek(time, stream=stream)
                packets = [packet for packet in islice(source.demux(stream), _LOOK_AHEAD) if packet.pts is not None]
        except av_errors():
            packets = []
    later = [packet.pts - time for packet in packets if packet.pts is not None and packet.pts > time]
    own = next((packet.duration for packet in packets if packet.pts == time and packet.duration), 0)
    usual = round(1 / (info.rate * info.time_base)) if info.rate else 0
    return next(int(value) for value in (min(later, default=0), duration, own, usual, 1) if value > 0)


def _span(info: VideoInfo, times: np.ndarray) -> Span:
    end = int(times[-1]) + _last_duration(info, int(times[-1]))
    return Span(Fraction(int(times[0])) * info.time_base, end * info.time_base)


def _turn(stream: VideoStream, info: VideoInfo) -> bool:
    """Let a stream be turned as the source's; whether that was possible, or not needed."""
    if info.orientation == Orientation(matrix=info.orientation.matrix):
        return True
    if not hasattr(stream, "set_display_matrix"):  # before PyAV 18
        return False
    stream.set_display_matrix(info.orientation.matrix)
    return True


def _video_packets(
    segments: Sequence[str | Path],
    stream: VideoStream,
    info: VideoInfo,
    times: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Iterator[tuple[float, Packet]]:
    """The packets of all segments with the seconds at which they are due."""
    unit = float(info.time_base)
    moments = iter(zip(*(values.tolist() for values in times), strict=True))
    for path in segments:
        with open_video(path) as segment, video_errors(Path(path)):
            for packet in segment.demux(segment.streams.video[0]):
                if packet.size:
                    if path != segments[0]:
                        packet = _without_gif_header(packet)
                    due, packet.pts, packet.duration = next(moments)
                    packet.dts = due
                    packet.time_base = info.time_base
                    packet.stream = stream
                    yield due * unit, packet


def _without_gif_header(packet: Packet) -> Packet:
    """A packet without the header that the first one of each GIF has; other packets as they are."""
    if packet.size > _GIF_HEADER and bytes(memoryview(packet)[:4]) == b"GIF8":
        return require_av().Packet(bytes(packet)[_GIF_HEADER:])
    return packet

"""Copy everything but the restored video from one file to another, packet by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...wording import pip_install
from .containers import refusal
from .continuity import Timeline
from .info import VideoInfo
from .opening import Tell, av_errors, disposition_of, is_cover, open_video, require_av
from .subtitles import subtitle_converter

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

# What muxers write themselves; of the restored video, also what a Matroska file counts.
_OWN_METADATA = ("encoder", "major_brand", "minor_version", "compatible_brands", "duration")
_STATISTICS = ("bps", "duration", "number_of_", "_statistics_", "encoder", "alpha_mode")
# AVFMT_TS_NONSTRICT: two packets of a stream may have the same time.
_EQUAL_TIMES = 0x20000
# How a cover is kept in Matroska: a file of this name and type.
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png"), "bmp": ("cover.bmp", "image/bmp")}


@dataclass(frozen=True)
class Span:
    """A part of a video in seconds; the result begins at 0.

    Attributes:
        start: of the first frame.
        stop: of the frame after the last one; None: to the end.
    """

    start: Fraction
    stop: Fraction | None = None


@dataclass(frozen=True)
class Copy:
    """Where the packets of a stream go.

    Attributes:
        stream: of the new file.
        clock: of its packets.
        convert: what is done to the bytes of a packet; None: nothing.
    """

    stream: Stream
    clock: _Clock
    convert: Callable[[bytes], bytes] | None = None


class _Clock:
    """The times of decoding of one stream, which must rise, whatever the source says.

    Args:
        step: by how much at least.
    """

    def __init__(self, step: int) -> None:
        self._last: int | None = None
        self._step = step

    def set_right(self, packet: Packet) -> None:
        """Give a packet a time of decoding that is after the one before, and not after it is shown."""
        if packet.pts is None and packet.dts is None:
            return
        due = packet.dts
        if due is None:
            due = self._guess(packet)
        if self._last is not None:
            due = max(due, self._last + self._step)
        packet.dts = self._last = due
        if packet.pts is not None:
            packet.pts = max(packet.pts, due)

    def _guess(self, packet: Packet) -> int:
        """Files that know only when packets are shown leave out the first times where frames are reordered."""
        assert packet.pts is not None
        step = packet.duration or 1
        if self._last is not None:
            return min(self._last + step, packet.pts)
        context: Any = packet.stream.codec_context
        delay = getattr(context, "reorder_depth", int(getattr(context, "has_b_frames", False)))
        return packet.pts - delay * step


def add_streams(source: InputContainer, target: OutputContainer, info: VideoInfo, tell: Tell) -> dict[int, Copy]:
    """Add the other streams of a file to another; those that it does not hold are told.

    Returns:
        Where packets go, by the index of their stream.
    """
    added: dict[int, Copy] = {}
    container = target.format.name
    strict = not target.format.flags & _EQUAL_TIMES
    for stream in source.streams:
        if stream.index == info.stream or _are_chapters(stream, source):
            continue
        described = next(known for known in info.streams if known.index == stream.index)
        if container == "matroska" and is_cover(stream) and _attach_cover(target, info, stream):
            continue
        clock = _Clock(int(strict and stream.type not in ("subtitle", "data")))
        why_not = refusal(container, lambda trial, stream=stream: _add(trial, stream))
        if not why_not:
            copy = _add(target, stream)
            if copy is not None:
                added[stream.index] = Copy(copy, clock)
            continue
        converter = subtitle_converter(described.codec, container) if hasattr(target, "add_mux_stream") else None
        if converter is None:
            tell(f"The {described} is left out; {container} files do not hold it ({why_not}).")
            continue
        codec, convert = converter
        tell(f"The {described} is stored as {codec}, without styles; {container} files do not hold it as it is.")
        added[stream.index] = Copy(_like(target.add_mux_stream(codec), stream), clock, convert)
    return added


def _attach_cover(target: OutputContainer, info: VideoInfo, stream: Stream) -> bool:
    """Attach a cover picture, as Matroska holds them; whether that was possible."""
    codec = stream.codec_context.name
    if codec not in _COVERS or not hasattr(target, "add_attachment"):  # before PyAV 16
        return False
    with open_video(info.path) as container:
        for packet in container.demux(container.streams[stream.index]):
            if packet.size:
                target.add_attachment(*_COVERS[codec], bytes(packet))
                return True
    return False


def _are_chapters(stream: Stream, source: InputContainer) -> bool:
    """Whether a stream is what QuickTime's files hold chapters in; it is written anew with them."""
    chapters = source.chapters() if hasattr(source, "chapters") else []
    return stream.type == "data" and "mov" in source.format.name and 0 < len(chapters) == stream.frames


def _add(target: OutputContainer, stream: Any) -> Stream | None:
    """Add a stream; None if it is whole with that."""
    if stream.type == "attachment":
        target.add_attachment(stream.metadata.get("filename", ""), stream.metadata.get("mimetype", ""), stream.data)
        return None
    return _like(target.add_stream_from_template(stream, opaque=True), stream)


def _like(copy: Any, stream: Stream) -> Any:
    """Give a new stream the name, language and flags of another."""
    copy.metadata.update(stream_metadata(stream))
    copy.disposition = disposition_of(stream)
    return copy


def stream_metadata(stream: Stream) -> dict[str, str]:
    """Metadata of a stream without what describes its bytes."""
    kept = {key: value for key, value in stream.metadata.items() if not key.lower().startswith(_STATISTICS)}
    # QuickTime's files give a title by the key `name`, and take one by `title`.
    return {"title": kept["name"], **kept} if "name" in kept else kept


def copy_about(source: InputContainer, target: OutputContainer, span: Span | None, tell: Tell) -> None:
    """Copy the metadata and the chapters of a file."""
    target.metadata.update({key: value for key, value in source.metadata.items() if key.lower() not in _OWN_METADATA})
    if not hasattr(source, "chapters"):
        tell(f"Chapters are left out if there are any; PyAV 16 or later keeps them: {pip_install('--upgrade', 'av')}.")
        return
    chapters = source.chapters()
    kept: list[Any] = [chapter for chapter in (_trimmed_chapter(chapter, span) for chapter in chapters) if chapter]
    if kept:
        target.set_chapters(kept)


def _trimmed_chapter(chapter: Any, span: Span | None) -> Any:
    if span is None:
        return chapter
    first, last = (int(edge / chapter["time_base"]) if edge is not None else None for edge in (span.start, span.stop))
    start, end = max(chapter["start"], first), chapter["end"] if last is None else min(chapter["end"], last)
    return {**chapter, "start": start - first, "end": end - first} if start < end else None


def copied_packets(
    source: InputContainer,
    streams: dict[int, Copy],
    span: Span | None,
    tell: Tell,
    timeline: Timeline,
    *,
    hides: bool,
) -> Iterator[tuple[float, Packet]]:
    """The packets of the other streams with the seconds at which they are due, in the order of the file.

    Args:
        source: the file.
        streams: where each of its streams goes, by its index.
        span: the part that is copied; None: all.
        tell: called with what was left out.
        timeline: its times made continuous.
        hides: whether the target can hold what is not played, as by the edit lists of MP4. If not, it is left out.
    """
    if not streams:
        return
    due = float("-inf")
    packets = timeline.mended(source.demux([source.streams[index] for index in streams]))
    while True:
        try:
            packet = next(packets, None)
        except av_errors():
            tell("The file is cut off or damaged: the other streams were copied up to there.")
            return
        if packet is None:
            return
        if not packet.size or (packet.size == 2 and packet.stream.name == "mov_text"):
            continue  # an empty text between two; muxers write these themselves
        if not hides and _is_hidden(packet):
            continue
        cover = is_cover(packet.stream)
        if span is not None and not cover and not _trim(packet, span):
            continue
        copy = streams[packet.stream_index]
        copy.clock.set_right(packet)
        if packet.dts is not None:
            due = max(due, float(packet.dts * packet.time_base))
        if copy.convert is not None:
            packet = _converted(packet, copy.convert)
        packet.stream = copy.stream
        yield due, packet


def _is_hidden(packet: Packet) -> bool:
    """Whether a packet lies before what an edit list plays; the last one before it starts decoders, and does not."""
    return packet.is_discard and packet.pts is not None and packet.pts + 2 * (packet.duration or 0) <= 0


def _converted(packet: Packet, convert: Callable[[bytes], bytes]) -> Packet:
    result: Packet = require_av().Packet(convert(bytes(packet)))
    result.pts, result.dts, result.duration = packet.pts, packet.dts, packet.duration
    result.time_base = packet.time_base
    return result


def _trim(packet: Packet, span: Span) -> bool:
    """Move a packet to where it is in the part; whether it is in it.

    Subtitles that are shown at the cut begin or end there; of sound, packets that begin in the part are kept.
    """
    time_base = packet.time_base
    if packet.pts is None:
        return False
    start, length = packet.pts * time_base, (packet.duration or 0) * time_base
    if span.stop is not None and start >= span.stop:
        return False
    end = start + length
    if packet.stream.type == "subtitle" and length:
        if end <= span.start:
            return False
        start, end = max(start, span.start), end if span.stop is None else min(end, span.stop)
        packet.duration = round((end - start) / time_base)
    elif start < span.start:
        return False
    moved = round((start - span.start) / time_base)
    packet.dts = moved if packet.dts is None else packet.dts + moved - packet.pts
    packet.pts = moved
    return True

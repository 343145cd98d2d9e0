"""Make videos of every kind, and read back what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from gpen_blocks.gpen.video.files import (
    EncoderSettings,
    SegmentWriter,
    choose_encoder,
    join,
    read_frames,
    read_info,
    segment_suffix,
)
from gpen_blocks.gpen.video.files.opening import disposition_of

MS = Fraction(1, 1000)
FRAMES, FACELESS = 30, 8
"""Of the clip of a face: frames, and the first ones without it."""


def picture(width: int, height: int, number: int, pixel_format: str, soft: bool = False) -> av.VideoFrame:
    """A frame of coloured squares, or of a soft one, with alpha; all bits of the format are used."""
    rng = np.random.default_rng(number)
    coarse = rng.random((4, height // 8 + 2, width // 8 + 2, 4))[0]
    rgb = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width]
    if soft:
        slope = np.linspace(0.2, 0.7, width)[None, :, None] * np.linspace(0.6, 1, height)[:, None, None]
        rgb = slope * np.array([1.0, 0.8, 0.7, 0.9])
    deep = (rgb * 65535).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(deep), format="rgba64le")
    return frame.reformat(format=pixel_format)


def make_video(
    path: Path,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    times: Sequence[int] = tuple(range(0, 400, 40)),
    time_base: Fraction = MS,
    rate: Fraction | int = 25,
    options: dict[str, str] | None = None,
    color: tuple[int, int, int, int] | None = None,
    rotation: int = 0,
    sound: Sequence[str] = (),
    subtitles: Sequence[str] = (),
    chapters: bool = False,
    metadata: dict[str, str] | None = None,
    attachment: bytes = b"",
    cover: bool = False,
    interlaced: bool = False,
    soft: bool = False,
    same: bool = False,
    pixel_aspect: Fraction | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a video with streams of sound (by language), subtitles (by language) and so on."""
    with av.open(str(path), "w", format=container_format, container_options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        video: Any = container.add_stream(codec, rate=rate)
        video.width, video.height = size
        video.pix_fmt = pixel_format
        video.time_base = video.codec_context.time_base = time_base
        video.codec_context.options = {"crf": "20", **(options or {})} if "x26" in codec else options or {}
        if color:
            context = video.codec_context
            context.color_range, context.color_primaries, context.color_trc, context.colorspace = color
        if interlaced:
            video.codec_context.flags |= 1 << 18 | 1 << 29
        if pixel_aspect:
            video.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            video.set_display_rotation(-rotation)
        sounds = [_add_sound(container, path, language) for language in sound]
        texts = [_add_subtitles(container, path, language) for language in subtitles]
        if attachment:
            container.add_attachment("font.ttf", "font/ttf", attachment)
        pictures = _add_cover(container) if cover else None
        seconds = float((max(times) + 1) * time_base) if times else 0.4
        if chapters:
            container.set_chapters(
                [
                    {"id": 1, "start": 0, "end": 200, "time_base": MS, "metadata": {"title": "one"}},
                    {"id": 2, "start": 200, "end": 400, "time_base": MS, "metadata": {"title": "two"}},
                ]
            )
        container.start_encoding()
        if pictures is not None:
            still = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), format="rgb24")
            packet = pictures.encode(still.reformat(format="yuvj444p"))[0]
            container.mux(packet)
        for stream in sounds:
            _sing(container, stream, seconds)
        for stream in texts:
            _write_subtitles(container, stream, path)
        for number, time in enumerate(times):
            frame = picture(*size, 0 if same else number, pixel_format, soft)
            frame.pts, frame.time_base = time, time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def make_clip_of_face(path: Path, examples: Path) -> Path:
    """Write eight frames without a face, and 22 with one that moves; times are uneven, and there is sound."""
    portrait = (
        Image.open(examples / "portrait-degraded.jpg").convert("RGB").resize((120, 120), Image.Resampling.LANCZOS)
    )
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 176, 128, "yuv420p"
        video.time_base = video.codec_context.time_base = MS
        sound = container.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        for number in range(FRAMES):
            picture = Image.new("RGB", (176, 128), (90, 100, 110))
            if number >= FACELESS:
                picture.paste(portrait, (20 + number, 4))
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = 40 * number + 7 * (number % 3), MS
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        tone = av.AudioFrame.from_ndarray(np.arange(8000, dtype=np.int16)[None], "s16", "mono")
        tone.sample_rate = 8000
        container.mux(sound.encode(tone))
        container.mux(sound.encode(None))
    return path


def _add_sound(container: Any, path: Path, language: str) -> Any:
    stream = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000)
    stream.layout = "mono"
    stream.metadata["language"] = language
    return stream


def _sing(container: Any, stream: Any, seconds: float) -> None:
    phase = np.arange(int(48000 * seconds)) * (2 * np.pi * (300 + 100 * stream.index) / 48000)
    samples = (np.sin(phase) * 0.3).astype(np.float32)[None]
    name = stream.codec_context.format.name
    if name == "s16":
        samples = (samples * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples, format=name, layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _add_subtitles(container: Any, path: Path, language: str) -> Any:
    stream = container.add_mux_stream("mov_text" if path.suffix in (".mp4", ".mov") else "subrip")
    stream.time_base = MS
    stream.metadata["language"] = language
    return stream


def _write_subtitles(container: Any, stream: Any, path: Path) -> None:
    for start, text in ((40, b"first"), (220, b"zweite Zeile")):
        mov = path.suffix in (".mp4", ".mov")
        packet = av.Packet(len(text).to_bytes(2, "big") + text if mov else text)
        packet.pts = packet.dts = start
        packet.duration, packet.time_base, packet.stream = 120, MS, stream
        container.mux(packet)


def _add_cover(container: Any) -> Any:
    stream = container.add_stream("mjpeg", rate=1)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuvj444p"
    stream.disposition = 1 << 10
    return stream


def rewrite(
    source: Path,
    target: Path,
    settings: EncoderSettings | None = None,
    *,
    length: int = 4,
    start: int = 0,
    stop: int | None = None,
) -> list[str]:
    """Take a video through frames, segments of `length` frames and joining; returns what was told."""
    notes: list[str] = []
    info = read_info(source)
    encoder = choose_encoder(info, target, settings or EncoderSettings())
    frames = read_frames(info, start=start, stop=stop, tell=notes.append)
    segments: list[Path] = []
    for _, group in groupby(frames, lambda frame: (frame.number - start) // length):
        segments.append(target.with_name(f"{target.stem}-{len(segments)}{segment_suffix(encoder)}"))
        with SegmentWriter(segments[-1], info, encoder) as writer:
            for frame in group:
                writer.write(frame)
    trimmed = start > 0 or stop is not None
    join(segments, info, encoder, target, trimmed=trimmed, tell=notes.append)
    return [*info.notes, *encoder.notes, *notes]


def planes(path: Path) -> list[tuple[int, np.ndarray]]:
    """Time and samples of each frame."""
    return [(frame.time, frame.picture.to_ndarray()) for frame in read_frames(read_info(path))]


@dataclass(frozen=True)
class Contents:
    """What is in a file.

    Attributes:
        times: in seconds, of the frames of the video.
        planes: bytes of each frame.
        streams: of the others: kind, codec, language, title, disposition, and packets with their bytes and seconds.
        metadata, chapters: of the file.
    """

    times: list[Fraction]
    planes: list[bytes]
    streams: list[tuple[str, str, str, int, list[tuple[bytes, Fraction, Fraction]]]]
    metadata: dict[str, str]
    chapters: list[tuple[Fraction, Fraction, str]]


def contents(path: Path) -> Contents:
    """Read a file whole."""
    times, planes = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            times.append(frame.pts * frame.time_base)
            planes.append(b"".join(plane_bytes(frame)))
    others: dict[int, list[tuple[bytes, Fraction, Fraction]]] = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.index != container.streams.video[0].index:
                seconds = ((packet.pts or 0) * packet.time_base, (packet.duration or 0) * packet.time_base)
                others.setdefault(packet.stream.index, []).append((bytes(packet), *seconds))
        streams = [
            (
                stream.type,
                getattr(stream, "name", "") or "",
                stream.language or "",
                disposition_of(stream),
                others.get(stream.index, []) if stream.type != "attachment" else [(stream.data, MS, MS)],
            )
            for stream in container.streams
            if stream.index != container.streams.video[0].index
        ]
        chapters = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"].get("title", ""))
            for c in (container.chapters() if hasattr(container, "chapters") else [])
        ]
        return Contents(times, planes, streams, dict(container.metadata), chapters)


def plane_bytes(frame: av.VideoFrame) -> Iterable[bytes]:
    """The samples of each plane, without padding."""
    for plane in frame.planes:
        row = plane.width * (2 if any(c.bits > 8 for c in frame.format.components) else 1)
        if not frame.format.is_planar:
            row = plane.line_size
        yield np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, :row].tobytes()

"""Choose how a video is encoded: like its source, and so that no difference is seen."""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SettingsError, VideoError
from ...values import require_between
from .color import ColorTags
from .containers import format_of
from .encoder_options import encoder_options
from .info import VideoInfo
from .opening import av_errors, reason, require_av
from .pixel_formats import PALETTE, best_format, converted_color, has_alpha, losses

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class EncoderSettings:
    """What may be asked of the encoder.

    Attributes:
        codec: such as `h264`, or the name of one of FFmpeg's encoders; empty: that of the source if it can be encoded.
        crf: quality in the encoder's own scale; None: visually lossless.
        preset: of the encoder, such as `slow`; empty: its usual one.
        hardware: use an encoder of the graphics card if one opens.
    """

    codec: str = ""
    crf: float | None = None
    preset: str = ""
    hardware: bool = False


@dataclass(frozen=True)
class Encoder:
    """An encoder that was tried.

    Attributes:
        name: of FFmpeg.
        pixel_format: of the frames it takes.
        size: (width, height) of the frames it takes, as they are stored.
        options: its own.
        color: the tags of the result.
        notes: what it does not keep, one sentence each.
        headers: whether its headers come again with each key frame, since files of that kind have no place for them.
    """

    name: str
    pixel_format: str
    size: tuple[int, int]
    options: dict[str, str] = field(default_factory=dict)
    color: ColorTags = ColorTags()
    notes: tuple[str, ...] = ()
    headers: bool = False


# What is encoded again as it was; older codecs give way to H.264.
_KEPT = ("h264", "hevc", "av1", "vp9", "vp8", "prores", "ffv1", "mjpeg", "png", "huffyuv", "utvideo")
# What is tried otherwise, in this order.
_OTHERWISE = ("h264", "vp9", "av1", "prores", "mjpeg")
# What players show in one way or another only as 4:2:0.
_FOR_PLAYERS = ("h264", "hevc", "av1", "vp9", "vp8", "mjpeg")
_SOFTWARE = {
    "h264": "libx264",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "vp8": "libvpx",
    "prores": "prores_ks",
}
# By maker, in the order in which they are tried.
_HARDWARE = ("nvenc", "qsv", "amf", "videotoolbox")
# Lets x264 say with each frame when it is shown. Otherwise, FFmpeg and what is built on it show H.264 in AVI a frame
# late, for fear of reordered ones. The rate that must be named with it is more than is ever used; lossless H.264 (a crf
# of 0) has no such thing.
_TIMED = {"nal-hrd": "vbr", "maxrate": "240M", "bufsize": "240M"}
# AV_CODEC_FLAG_INTERLACED_DCT and AV_CODEC_FLAG_INTERLACED_ME; AV_CODEC_FLAG_GLOBAL_HEADER: headers apart from packets.
_INTERLACED = 1 << 18 | 1 << 29
_GLOBAL_HEADER = 1 << 22


def choose_encoder(info: VideoInfo, target: str | Path, settings: EncoderSettings = EncoderSettings()) -> Encoder:
    """Choose an encoder for a file, and try it with one frame.

    Where nothing else is asked, the codec of the source is used again, unless another keeps more bits or alpha.

    Raises:
        VideoError: the suffix is unknown, or no encoder writes such frames to such a file.
        SettingsError: the codec is unknown, or takes no such quality or preset.
    """
    container = format_of(target)
    if settings.crf is not None:
        require_between("crf", settings.crf, 0, 100)
    failures: list[str] = []
    found: list[tuple[int, Encoder]] = []
    for codec in [settings.codec] if settings.codec else _codecs(info, container):
        encoder = _first_that_opens(info, container, codec, settings, failures)
        if encoder is None:
            continue
        lost = losses(info.layout, encoder.pixel_format)
        if settings.hardware and not encoder.name.endswith(_HARDWARE):
            why = "; ".join(failure for failure in failures if failure.partition(":")[0].endswith(_HARDWARE))
            note = f"No graphics card encodes this here ({why}); {encoder.name} is used."
            encoder = replace(encoder, notes=(note, *encoder.notes))
        if codec != info.codec and not settings.codec and info.is_file and container != "gif":
            why = f" ({failures[0]})" if failures else ""
            note = f"{info.codec} cannot be written to {Path(target).name} as it is{why}; {codec} is used."
            if info.codec not in _KEPT:
                note = f"{info.codec} is not written again; {codec} is used."
            encoder = replace(encoder, notes=(note, *encoder.notes))
        if not any("alpha" in word or "bits" in word for word in lost):
            return encoder
        found.append((len(lost), encoder))
    if found:
        return min(found, key=lambda pair: pair[0])[1]
    raise VideoError(f"No encoder writes this video to {Path(target).name}: {'; '.join(failures)}.")


def add_video_stream(container: OutputContainer, encoder: Encoder, info: VideoInfo) -> VideoStream:
    """Add a stream to a file that is written, with an encoder that opens with the first frame."""
    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 tells of errors alone
    stream: VideoStream = container.add_stream(encoder.name, rate=info.rate or Fraction(25))  # type: ignore[assignment]
    context = stream.codec_context
    stream.time_base = context.time_base = info.time_base
    context.width, context.height = encoder.size
    context.pix_fmt = encoder.pixel_format
    context.options = dict(encoder.options)
    context.color_range, context.color_primaries = encoder.color.range, encoder.color.primaries
    context.color_trc, context.colorspace = encoder.color.transfer, encoder.color.matrix
    if info.pixel_aspect:
        context.sample_aspect_ratio = info.pixel_aspect
    if info.interlaced:
        context.flags |= _INTERLACED
    context.flags = context.flags & ~_GLOBAL_HEADER if encoder.headers else context.flags | _GLOBAL_HEADER
    context.thread_type = "AUTO"
    return stream


def _codecs(info: VideoInfo, container: str) -> Iterator[str]:
    if container == "gif":
        yield "gif"
        return
    if info.codec in _KEPT:
        yield info.codec
    yield from (codec for codec in _OTHERWISE if codec != info.codec)


def _first_that_opens(
    info: VideoInfo, container: str, codec: str, settings: EncoderSettings, failures: list[str]
) -> Encoder | None:
    names = [f"{codec}_{maker}" for maker in _HARDWARE] if settings.hardware else []
    for name in [*names, _SOFTWARE.get(codec, codec)]:
        for even in (False, True):
            said: list[str] = []
            try:
                encoder = _planned(info, container, name, settings, even)
                if encoder is None:
                    continue
                try:
                    _try(encoder, info, container)
                except av_errors():
                    # x265 has one block size for all encoders of a process, also for those that wait to be collected.
                    gc.collect()
                    with _listening(said):
                        _try(encoder, info, container)
                return encoder
            except (VideoError, *av_errors()) as error:
                failure = f"{name}: {said[-1] if said else reason(error)}"
                failures += [] if failure in failures else [failure]
    return None


def _planned(info: VideoInfo, container: str, name: str, settings: EncoderSettings, even: bool) -> Encoder | None:
    """The encoder for frames of their own size or one that is even; None if that is the same."""
    av = require_av()
    try:
        codec = av.Codec(name, "w")
    except ValueError:
        if name in (settings.codec, _SOFTWARE.get(settings.codec)):
            raise SettingsError(
                f"codec is {settings.codec!r}, which this PyAV cannot encode; try h264, hevc, av1, vp9, prores or ffv1."
            ) from None
        raise VideoError("it is not part of this PyAV") from None
    players = codec.canonical_name in _FOR_PLAYERS
    formats = [pixel_format.name for pixel_format in codec.video_formats or ()]
    if name.startswith("libvpx") and container not in ("matroska", "webm"):
        formats = [other for other in formats if not has_alpha(other)]  # it lies beside the packets, only there
    pixel_format = PALETTE if name == "gif" else best_format(info.layout, formats, for_players=players)
    if pixel_format is None:
        raise VideoError(f"it does not take {info.pixel_format}")
    width, height = info.stored_size
    size = (width + width % 2, height + height % 2) if even else (width, height)
    if even and size == info.stored_size:
        return None
    lost = losses(info.layout, pixel_format)
    notes = [f"With {codec.canonical_name}, {' and '.join(lost)}."] if lost else []
    if even:
        notes.append(f"{codec.canonical_name} needs even sizes: the last row or column is repeated.")
    color = converted_color(info.color, info.layout, pixel_format)
    options = encoder_options(info, name, pixel_format, settings.crf, settings.preset)
    if container in ("avi", "mxf"):
        options["bf"] = "0"  # AVI knows no order of showing, and that of MXF is read wrongly
    if container == "avi" and name == "libx264":
        options |= _TIMED
    return Encoder(name, pixel_format, size, options, color, tuple(notes), container in ("mpegts", "avi", "mxf"))


@contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    """Add to a list the errors that FFmpeg logs inside: they say more than the error that is raised."""
    logging = require_av().logging
    before = logging.get_level()
    logging.set_level(logging.ERROR)
    try:
        with logging.Capture() as logs:
            try:
                yield
            finally:
                said += [" ".join(str(message).split()).rstrip(".") for _, _, message in logs]
    finally:
        logging.set_level(before)


def _try(encoder: Encoder, info: VideoInfo, container: str) -> None:
    """Encode one frame into a file in memory."""
    av = require_av()
    with av.open(io.BytesIO(), "w", format=container) as trial:
        stream = add_video_stream(trial, encoder, info)
        frame = av.VideoFrame(*encoder.size, encoder.pixel_format)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))  # what was in memory may be out of range
        frame.pts, frame.time_base = 0, info.time_base
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            packet.dts = packet.pts  # x265 may leave any number there for a single frame
            trial.mux(packet)

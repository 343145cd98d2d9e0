"""What is known of a video before its frames are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import VideoError
from .color import TRANSFERS_HDR, UNSPECIFIED, ColorModel, ColorTags
from .decoding import Decoder
from .opening import main_stream, open_video, require_av, video_errors
from .orientation import Orientation
from .planes import Layout, layout_of, working_layout

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from torch import Tensor

# Samples of JPEG lie between the luma samples.
_CENTERED = ("mjpeg", "jpeg2000", "webp")
# AVMasteringDisplayMetadata: ten rationals and two flags; AVContentLightMetadata: two numbers.
_MASTERING, _LIGHT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"


@dataclass(frozen=True)
class StreamInfo:
    """A stream of a file.

    Attributes:
        index: in the file.
        kind: `video`, `audio`, `subtitle`, `data` or `attachment`.
        codec: name of the codec; empty if unknown.
        language, title: empty if not given.
    """

    index: int
    kind: str
    codec: str
    language: str = ""
    title: str = ""

    def __str__(self) -> str:
        words = (
            self.kind,
            f"stream {self.index}",
            f"({self.codec})" if self.codec else "",
            self.title or self.language,
        )
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class VideoInfo:
    """A video and its file.

    Attributes:
        path: the file.
        width, height: in pixels, upright.
        orientation: how stored frames are turned.
        time_base: unit of all times in seconds.
        rate: average frames a second, or None.
        frame_count: as the file says; None if it does not.
        duration: in seconds, or None.
        end: when the last frame ends, in `time_base`, as the file says; or None.
        pixel_format: FFmpeg's name.
        layout: of the planes on which is worked.
        color: what the file says about its colours.
        interlaced: whether frames hold two fields.
        alpha: whether frames have alpha.
        codec: name of the codec, such as `h264`.
        container: FFmpeg's name of the kind of file.
        pixel_aspect: width of a pixel by its height, or None.
        streams: all of the file, the restored one among them.
        stream: index of the restored one.
        side_data: mastering display and content light level of HDR, as FFmpeg stores them.
        notes: remarks, one sentence each.
        pictures: the files of a sequence of pictures; empty for a video.
        images: frames in memory, see `batch_info`; None for a video. Other streams are then those of `path`, if any.
        digest: what tells these frames from others.
    """

    path: Path
    width: int
    height: int
    orientation: Orientation
    time_base: Fraction
    rate: Fraction | None
    frame_count: int | None
    duration: float | None
    end: int | None
    pixel_format: str
    layout: Layout
    color: ColorTags
    interlaced: bool
    codec: str
    container: str
    pixel_aspect: Fraction | None
    streams: tuple[StreamInfo, ...]
    stream: int
    side_data: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pictures: tuple[Path, ...] = ()
    images: Tensor | None = field(default=None, compare=False, repr=False)
    digest: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the frames come from a stream of `path`."""
        return not self.pictures and self.images is None

    @property
    def alpha(self) -> bool:
        """Whether frames have alpha."""
        return self.layout.alpha

    @property
    def bit_depth(self) -> int:
        """Bits of a sample."""
        return self.layout.depth

    @property
    def expected_frames(self) -> int:
        """Number of frames as the file says, or else by its duration and rate; 0 if it says nothing."""
        return self.frame_count or round((self.duration or 0) * float(self.rate or 0))

    @property
    def hdr(self) -> str:
        """`PQ` or `HLG`; empty for ordinary video."""
        return TRANSFERS_HDR.get(self.color.transfer, "")

    @property
    def rotation(self) -> int:
        """Degrees clockwise from stored to upright frames."""
        return self.orientation.rotation

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) of the frames as they are stored."""
        return (self.height, self.width) if self.orientation.transpose else (self.width, self.height)

    def color_model(self) -> ColorModel:
        """How its samples mean RGB.

        Raises:
            VideoError: in a way that cannot be restored.
        """
        width, height = self.stored_size
        return ColorModel(self.layout, self.color, (height, width), centered=self.codec in _CENTERED)


def read_info(path: str | Path) -> VideoInfo:
    """Read what a video file says about itself, and its first frame.

    Raises:
        VideoError: there is no such file, it holds no video, its codec is unknown, no frame can be decoded, or its
            colours are coded in a way that cannot be restored.
        MissingPackageError: PyAV is not installed.
    """
    path = Path(path)
    with open_video(path) as container, video_errors(path):
        stream = main_stream(container)
        assert stream is not None  # open_video looked
        if stream.codec_context is None:
            raise VideoError(f"{path} has a codec that this PyAV does not know; convert it first.")
        frame = next(Decoder(container, stream).pictures(), None)
        if frame is None:
            raise VideoError(f"{path} has a video stream ({stream.codec_context.name}), but no frame can be decoded.")
        info = _info(path, container, stream, frame)
    info.color_model()
    return info


def _info(path: Path, container: InputContainer, stream: VideoStream, frame: VideoFrame) -> VideoInfo:
    frame_data: Any = frame.side_data
    side_data = {data.type.name: bytes(data) for data in frame_data}
    matrix = side_data.get("DISPLAYMATRIX")
    orientation = Orientation.from_matrix(matrix) if matrix else Orientation()
    notes = []
    if orientation is None:
        orientation = Orientation()
        notes.append("The video is turned by other than quarter turns; it is restored as it is stored.")
    if frame.interlaced_frame:
        notes.append("The video is interlaced: each frame holds two fields, which are restored together.")
    color = _color(stream, frame)
    if any(name.startswith("DOVI") for name in side_data):
        if color.transfer not in TRANSFERS_HDR:
            raise VideoError(f"{path} is Dolby Vision without an HDR10 or HLG layer, which cannot be restored.")
        notes.append("The data of Dolby Vision are left out; what remains is ordinary HDR.")
    if "DYNAMIC_HDR_PLUS" in side_data:
        notes.append("The dynamic data of HDR10+ are left out; what remains is HDR10.")
    width, height = (frame.height, frame.width) if orientation.transpose else (frame.width, frame.height)
    time_base = stream.time_base
    assert time_base is not None
    length = stream.duration * time_base if stream.duration else _tagged_duration(stream)
    duration = length or (Fraction(container.duration, 1_000_000) if container.duration else None)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        orientation=orientation,
        time_base=time_base,
        rate=stream.average_rate or stream.guessed_rate or None,
        frame_count=stream.frames or None,
        duration=None if duration is None else float(duration),
        end=None if length is None else round(length / time_base) + (stream.start_time or 0),
        pixel_format=frame.format.name,
        layout=_layout(stream, frame),
        color=color,
        interlaced=frame.interlaced_frame,
        codec=stream.codec_context.codec.canonical_name,
        container=container.format.name,
        pixel_aspect=stream.sample_aspect_ratio or None,
        streams=tuple(_stream_info(other) for other in container.streams),
        stream=stream.index,
        side_data={name: side_data[name] for name in (_MASTERING, _LIGHT) if name in side_data},
        notes=tuple(notes),
    )


def _tagged_duration(stream: VideoStream) -> Fraction | None:
    """What a Matroska file says of one stream, in seconds."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))
    return (int(match[1]) * 60 + int(match[2])) * 60 + Fraction(match[3]) if match else None


def _layout(stream: VideoStream, frame: VideoFrame) -> Layout:
    layout = working_layout(frame.format)
    if stream.codec_context.name == "gif" and layout.alpha:
        # All GIF are decoded with alpha; most are opaque.
        opaque = frame.reformat(format="rgba").to_ndarray()[..., 3].min() == 255
        return working_layout(require_av().VideoFormat("rgb24")) if opaque else layout
    return layout


def _color(stream: VideoStream, frame: VideoFrame) -> ColorTags:
    """The tags of the first frame, and of the stream where the frame has none."""
    context = stream.codec_context

    def known(*numbers: int, unknown: tuple[int, ...] = (0, UNSPECIFIED)) -> int:
        return next((int(number) for number in numbers if number not in unknown), unknown[-1])

    layout = layout_of(frame.format.name)
    matrix = 0 if layout is not None and layout.kind == "rgb" else known(frame.colorspace, context.colorspace)
    return ColorTags(
        known(frame.color_range, context.color_range, unknown=(0,)),
        known(getattr(frame, "color_primaries", UNSPECIFIED), context.color_primaries),
        known(getattr(frame, "color_trc", UNSPECIFIED), context.color_trc),
        matrix,
    )


def _stream_info(stream: Stream) -> StreamInfo:
    context = stream.codec_context
    codec = context.codec.canonical_name if context is not None else getattr(stream, "name", None)
    return StreamInfo(stream.index, stream.type, codec or "", stream.language or "", stream.metadata.get("title", ""))

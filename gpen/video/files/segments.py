"""Write pieces of a video, each a file of its own that is whole or not there."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from math import floor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ....weights.files import replacing
from .containers import room
from .encoders import Encoder, add_video_stream
from .frame import Frame
from .info import VideoInfo
from .opening import Look, av_errors, require_av, unseen, url_of, video_errors
from .pixel_formats import Converter, has_alpha

if TYPE_CHECKING:
    from av import Packet

# NUT keeps all times exactly; FFmpeg puts some codecs only into others.
_ONLY_MOV = ("prores_ks", "prores", "prores_aw", "dnxhd", "qtrle")
_FORMATS = {".nut": "nut", ".mov": "mov", ".mkv": "matroska"}
# Packets by which a frame may be decoded before its turn: the limit of H.264 and HEVC.
_MOST_REORDERED = 16


def segment_suffix(encoder: Encoder) -> str:
    """The suffix of an encoder's segments."""
    if encoder.name.startswith("libvpx") and has_alpha(encoder.pixel_format):
        return ".mkv"  # the alpha of VP8 and VP9 lies beside their packets
    return ".mov" if encoder.name in _ONLY_MOV else ".nut"


class SegmentWriter:
    """Encodes frames into a segment, in a `with` block: the file is there when the block ends without an error.

    Args:
        path: of the segment, with the suffix of `segment_suffix`.
        info: of the source.
        encoder: of `choose_encoder`.
        look: called after each packet of the frames that the encoder has held back to the end; what it raises ends the
            work.

    Raises:
        VideoError: the file cannot be written, here or later.
    """

    def __init__(self, path: str | Path, info: VideoInfo, encoder: Encoder, *, look: Look = unseen) -> None:
        self.path, self._look = Path(path), look
        self._time_base, self._room = info.time_base, room(info)
        self._shown: list[int] = []  # times of the frames so far
        self._packets = 0
        self._convert = Converter(info.layout, encoder.color, encoder.pixel_format, encoder.size)
        scale = str(info.time_base.denominator)
        options = {"movie_timescale": scale, "video_track_timescale": scale} if self.path.suffix == ".mov" else {}
        with video_errors(self.path, "written"), ExitStack() as files:
            temporary = files.enter_context(replacing(self.path))
            container = require_av().open(
                url_of(temporary), "w", format=_FORMATS[self.path.suffix], container_options=options
            )
            self._container = files.enter_context(container)
            self._stream = add_video_stream(container, encoder, info)
            self._files = files.pop_all()

    def write(self, frame: Frame) -> None:
        """Encode a frame; its time must be after that of the one before."""
        picture = self._convert(frame.picture)
        picture.pts, picture.time_base = frame.time + self._room, self._time_base
        picture.pict_type = 0  # that of the source is not the encoder's
        self._shown.append(picture.pts)
        with video_errors(self.path, "written"):
            for packet in self._stream.encode(picture):
                self._mux(packet)

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with suppress(*av_errors()):  # closing may fail for the same reason
                self._files.__exit__(kind, error, trace)
            return
        with video_errors(self.path, "written"), self._files:
            for packet in self._stream.encode_lazy(None):
                packet.stream = self._stream
                self._mux(packet)
                self._look()

    def _mux(self, packet: Packet) -> None:
        if self.path.suffix == ".nut":
            # x265 leaves any numbers as decoding times where frames are few, and NUT cannot hold some of them.
            place = self._packets - _MOST_REORDERED
            due = self._shown[place] if place >= 0 else self._shown[0] + place
            packet.dts = floor(due * self._time_base / packet.time_base)
        self._packets += 1
        self._container.mux_one(packet)

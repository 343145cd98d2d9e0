"""Decode the pictures of an open file, as many as can be decoded."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from .continuity import AS_IT_IS, Timeline
from .opening import av_errors, require_av

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Decoders that also decode alpha, which lies beside the packets; FFmpeg's own leave it out.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def without_order(container: InputContainer) -> bool:
    """Whether a kind of file has only times of decoding, one for each picture in whatever order they are shown."""
    return container.format.name == "avi"


class Decoder:
    """Decodes one stream from where its file stands.

    Args:
        container: the file.
        stream: the stream.
        timeline: of the file, which then stands at its beginning.

    Attributes:
        packets: how many packets were read.
        hidden: how many of them hold what the file says is not to be shown.
        damaged: how many could not be decoded, or not without faults.
        cut: whether the file ended within one.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, timeline: Timeline = AS_IT_IS) -> None:
        self._container, self._stream, self._timeline = container, stream, timeline
        self.packets = self.hidden = self.damaged = 0
        self.cut = False
        stream.thread_type = "AUTO"
        self._context: VideoCodecContext = stream.codec_context
        self._without_order = without_order(container)
        about = {key.lower(): value for key, value in stream.metadata.items()}
        if about.get("alpha_mode") == "1" and stream.codec_context.name in _WITH_ALPHA:
            codec = _WITH_ALPHA[stream.codec_context.name]
            self._context = require_av().CodecContext.create(codec, "r")  # type: ignore[assignment]

    def missing(self) -> int:
        """Of all that was announced, how many packets did not come; 0 where a kind of file does not count exactly."""
        name, announced = self._container.format.name, self._stream.frames
        if "mov" in name:
            return max(0, announced - self._stored()) if announced > self.packets else 0
        if name == "avi":  # it counts moments, also those without a new frame
            return max(0, announced - max(self.packets, self._stream.duration or 0))
        return 0

    def _stored(self) -> int:
        """How many packets there are, with those that an edit list passes over: they are counted, but not read."""
        number, how = 0, {"options": {"ignore_editlist": "1"}, "metadata_errors": "surrogateescape"}
        with suppress(*av_errors()), require_av().open(self._container.name, **how) as file:
            for packet in file.demux(file.streams[self._stream.index]):
                number += packet.size > 0
        return number

    def pictures(self) -> Iterator[VideoFrame]:
        """Pictures in the order in which they are shown; what cannot be decoded is counted and passed over."""
        packets = self._timeline.mended(self._container.demux(self._stream))
        waiting: list[int] = []
        ended = False
        while not ended:
            try:
                packet = next(packets, None)
            except av_errors():
                self.cut, packet = True, None
            ended = packet is None or not packet.size
            self.packets += not ended
            self.hidden += packet is not None and packet.is_discard
            if packet is not None and self._without_order and packet.dts is not None:
                heapq.heappush(waiting, packet.dts)
            try:
                for picture in self._context.decode(None if ended else packet):
                    if waiting:
                        picture.pts = heapq.heappop(waiting)
                    self.damaged += picture.is_corrupt
                    yield picture
            except av_errors():
                self.damaged += 1

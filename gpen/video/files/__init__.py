"""Videos as files: what they hold, their frames and colours, and writing them with everything that was in them."""

from .encoders import Encoder, EncoderSettings, choose_encoder
from .frames import Frame, read_frames, read_times
from .info import StreamInfo, VideoInfo, read_info
from .joining import join
from .segments import SegmentWriter, segment_suffix

__all__ = [
    "Encoder",
    "EncoderSettings",
    "Frame",
    "SegmentWriter",
    "StreamInfo",
    "VideoInfo",
    "choose_encoder",
    "join",
    "read_frames",
    "read_info",
    "read_times",
    "segment_suffix",
]

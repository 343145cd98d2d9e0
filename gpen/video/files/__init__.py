"""Videos as files: what they hold, their frames and colours, and writing them with everything that was in them."""

from .encoders import Encoder, EncoderSettings, choose_encoder
from .frame import Frame
from .frames import read_frames, read_times
from .info import StreamInfo, VideoInfo, read_info
from .joining import join
from .segments import SegmentWriter, segment_suffix
from .sequences import USUAL_RATE, PictureWriter, is_sequence, read_sequence_info

__all__ = [
    "USUAL_RATE",
    "Encoder",
    "EncoderSettings",
    "Frame",
    "PictureWriter",
    "SegmentWriter",
    "StreamInfo",
    "VideoInfo",
    "choose_encoder",
    "is_sequence",
    "join",
    "read_frames",
    "read_info",
    "read_sequence_info",
    "read_times",
    "segment_suffix",
]

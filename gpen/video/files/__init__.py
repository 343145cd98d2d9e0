"""Videos as files: what they hold, their frames and colours, and writing them with everything that was in them.

What needs torch is imported at its first use, so that a file is looked at and joined without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .encoders import Encoder, EncoderSettings, choose_encoder
from .info import StreamInfo, VideoInfo, read_info
from .joining import join

if TYPE_CHECKING:
    from .batches import batch_info, digest_of, write_sound
    from .containers import own_suffix, usual_suffix
    from .frame import Frame
    from .frames import read_frames, read_times
    from .segments import SegmentWriter, segment_suffix
    from .sequences import USUAL_RATE, PictureWriter, is_sequence, names_folder, read_sequence_info

__all__ = [
    "USUAL_RATE",
    "Encoder",
    "EncoderSettings",
    "Frame",
    "PictureWriter",
    "SegmentWriter",
    "StreamInfo",
    "VideoInfo",
    "batch_info",
    "choose_encoder",
    "digest_of",
    "is_sequence",
    "join",
    "names_folder",
    "own_suffix",
    "read_frames",
    "read_info",
    "read_sequence_info",
    "read_times",
    "segment_suffix",
    "usual_suffix",
    "write_sound",
]

_MODULES = {
    "USUAL_RATE": "sequences",
    "Frame": "frame",
    "PictureWriter": "sequences",
    "SegmentWriter": "segments",
    "batch_info": "batches",
    "digest_of": "batches",
    "is_sequence": "sequences",
    "names_folder": "sequences",
    "own_suffix": "containers",
    "usual_suffix": "containers",
    "read_frames": "frames",
    "read_sequence_info": "sequences",
    "read_times": "frames",
    "segment_suffix": "segments",
    "write_sound": "batches",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)

"""Kinds of video files, and what goes into them."""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import VideoError
from .info import VideoInfo, read_info
from .opening import av_errors, reason, require_av

if TYPE_CHECKING:
    from av.container import OutputContainer

# NUT holds no negative times, and encoders decode some frames before they are shown.
_ROOM_SECONDS = 1000
# FFmpeg's name of the kind of file by suffix.
FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".m2ts": "mpegts",
    ".mts": "mpegts",
    ".mxf": "mxf",
    ".gif": "gif",
}


def format_of(path: str | Path) -> str:
    """FFmpeg's name of the kind of file that a suffix asks for.

    Raises:
        VideoError: no such video is written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise VideoError(f"{path} has a suffix that is not written; choose one of {', '.join(FORMATS)}.")
    return FORMATS[suffix]


def own_suffix(path: str | Path) -> str:
    """The suffix of a video's own kind of file, or the nearest one that is written.

    Raises:
        VideoError: it has another suffix, and is no video.
        MissingPackageError: it has another suffix, and PyAV is not installed.
    """
    suffix = Path(path).suffix
    if suffix.lower() in FORMATS:
        return suffix
    return usual_suffix(read_info(path))


def usual_suffix(info: VideoInfo) -> str:
    """The suffix of a video's own kind of file, whatever its name is, or the nearest one that is written."""
    if "mov" in info.container:  # one reader for all of that family, in which only .mov holds ProRes
        return ".mov" if info.codec == "prores" else ".mp4"
    return next((own for own, name in FORMATS.items() if name == info.container), ".mkv")


def refusal(container: str, build: Callable[[OutputContainer], object]) -> str:
    """Why a kind of file does not hold something; empty if it does.

    Args:
        container: FFmpeg's name of the kind of file.
        build: adds streams to an empty file in memory, whose header is written then.
    """
    av = require_av()
    try:
        with av.open(io.BytesIO(), "w", format=container, metadata_errors="surrogateescape") as trial:
            build(trial)
            trial.start_encoding()
    except (*av_errors(), TypeError, AttributeError) as error:  # the last two are of older PyAVs
        return reason(error)
    return ""


def muxer_options(container: str, info: VideoInfo, metadata: Mapping[str, str]) -> dict[str, str]:
    """The options with which a file is written.

    Args:
        container: FFmpeg's name of the kind of file.
        info: of the source.
        metadata: of the source.
    """
    if container in ("mp4", "mov"):
        flags = "+faststart"
        # Keys such as com.apple.quicktime.make are written only in this form.
        if any("." in key for key in metadata):
            flags += "+use_metadata_tags"
        scale = str(info.time_base.denominator)
        return {"movflags": flags, "video_track_timescale": scale, "movie_timescale": scale}
    return {}


def write_matrix(path: Path, matrix: Sequence[int]) -> bool:
    """Write a display matrix for the first track of a finished file of QuickTime's family (ISO/IEC 14496-12).

    PyAV does it from version 18 on.

    Returns:
        Whether the file is of that family.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        movie = data.find(b"moov") if data[4:8] == b"ftyp" else -1
        track = data.find(b"tkhd", movie)
        if movie < 0 or track < 0:
            return False
        # Behind the version are times and durations of 4 or 8 bytes.
        place = track + 4 + (52 if data[track + 4] == 1 else 40)
        data[place : place + 36] = struct.pack(">9i", *matrix)
    return True


def room(info: VideoInfo) -> int:
    """By how much the times in segments are moved, in the time base of the video."""
    return round(_ROOM_SECONDS / info.time_base)

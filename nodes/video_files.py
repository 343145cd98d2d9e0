"""Videos between ComfyUI and the engine: what a VIDEO holds, and the files that are made of it.

VIDEO: an object of `comfy_api`, here one of three kinds.
    Of a file, or of bytes in memory: `get_stream_source` gives them whole, and newer versions of ComfyUI have
        `get_active_trim_window`, (start, duration) in seconds, 0: to the end.
    Of components: `get_components` gives `images` B x H x W x C, `frame_rate`, and `audio` or None, which is a dict of
        `waveform` B x C x N in -1..1 and `sample_rate`. Its stream source would be an encoded copy.

ComfyUI is imported inside the functions that use it, so that the rest can be tested without it.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from ..gpen.errors import SettingsError, VideoError
from ..gpen.jobs.entries import stamp_of
from ..gpen.video.files import (
    EncoderSettings,
    VideoInfo,
    batch_info,
    choose_encoder,
    digest_of,
    read_frames,
    read_info,
    usual_suffix,
    write_sound,
)
from ..gpen.video.files.opening import Look
from ..gpen.video.parts import is_free
from ..gpen.video.trim import Trim
from ..weights.files import replacing
from .inputs import require_image

# Of all runs that were stopped, these last ones can be gone on with.
_KEPT_RUNS = 3
# Kinds of files in the order in which they are tried where that of the source does not hold the result.
_OTHERWISE = (".mp4", ".mov", ".mkv")
# Largest denominator of a rate that comes as a decimal number: that of 24000/1001.
_RATES = 1001


@dataclass(frozen=True)
class VideoSource:
    """A VIDEO for the engine.

    Attributes:
        info: of the video.
        suffix: of a file like its own.
        trim: the part of it.
        folder: where the result goes; another one for every video and all that decides about its result.
    """

    info: VideoInfo
    suffix: str
    trim: Trim
    folder: Path

    def target(self, encoding: EncoderSettings) -> Path:
        """The file for the result, of the kind of the source if that holds it.

        Raises:
            VideoError: no kind of file does.
            SettingsError: the codec or its quality does not exist.
        """
        faults = []
        for suffix in dict.fromkeys((self.suffix, *_OTHERWISE)):
            path = self.folder / f"restored{suffix}"
            try:
                choose_encoder(self.info, path, encoding)
            except VideoError as error:
                faults.append(error)
            else:
                return path
        raise faults[-1]

    def remove_copies(self) -> None:
        """Remove what only the engine needed."""
        for path in self.folder.glob("source*"):
            path.unlink(missing_ok=True)


def open_source(video: Any, decides: Mapping[str, Any], place: Path, *, batch: bool, look: Look) -> VideoSource:
    """Make a VIDEO ready for the engine.

    Args:
        video: see above.
        decides: everything else that decides about the result, JSON-serialisable.
        place: folder for all videos.
        batch: whether it is one of components.
        look: called regularly; what it raises ends the work.

    Raises:
        VideoError: it holds no video, or no frame.
        ImageError: its frames are no images.
    """
    return _of_components(video, decides, place, look) if batch else _of_file(video, decides, place)


def _of_file(video: Any, decides: Mapping[str, Any], place: Path) -> VideoSource:
    source = video.get_stream_source()
    start, duration = getattr(video, "get_active_trim_window", lambda: (0.0, 0.0))()
    window = {"start": start, "duration": duration}
    if isinstance(source, io.BytesIO):
        source.seek(0)
        digest = hashlib.sha256(source.getbuffer()).hexdigest()
        folder = _folder(place, {"bytes": digest, **window, **decides})
        path = folder / "source"
        if not path.is_file():
            with replacing(path) as temporary:
                temporary.write_bytes(source.getbuffer())
        info = read_info(path)
        suffix = usual_suffix(info)
    else:
        path = Path(source)
        folder = _folder(place, {"file": str(path.absolute()), "stamp": stamp_of(path), **window, **decides})
        info, suffix = read_info(path), path.suffix.lower()
    return VideoSource(info, suffix, _trim(info, start, duration), folder)


def _trim(info: VideoInfo, start: float, duration: float) -> Trim:
    """The part of a video: ComfyUI counts from 0, the engine from the first frame."""
    if not start and not duration:
        return Trim()
    first = next(read_frames(info, stop=1), None)
    begins = 0.0 if first is None else float(first.time * info.time_base)
    try:
        return Trim(max(start - begins, 0.0), start + duration - begins if duration else None)
    except SettingsError:
        raise VideoError(
            f"The part of {info.path} from {start:g} s to {start + duration:g} s has no frame; choose another part."
        ) from None


def _of_components(video: Any, decides: Mapping[str, Any], place: Path, look: Look) -> VideoSource:
    components = video.get_components()
    images = components.images
    if not images.numel():
        raise VideoError("The video holds no frame; connect one with at least one frame.")
    for image in images.split(1):
        require_image("video", image)
        look()
    rate = Fraction(components.frame_rate).limit_denominator(_RATES)
    if rate <= 0:
        raise VideoError(f"The video has {float(components.frame_rate):g} frames a second; set a rate above 0.")
    depth = getattr(video, "get_bit_depth", lambda: 8)()
    digest = digest_of(images, look)
    waveform, sample_rate = _sound_of(components.audio, len(images) / rate)
    heard = None if waveform is None else hashlib.sha256(waveform.numpy().tobytes()).hexdigest()
    about = {"frames": digest, "rate": str(rate), "depth": depth, "sound": heard, "sample_rate": sample_rate}
    folder = _folder(place, {**about, **decides})
    sound = None
    if waveform is not None:
        sound = folder / "source-sound.mp4"
        if not sound.is_file():
            with replacing(sound) as temporary:
                write_sound(temporary, waveform, sample_rate)
    info = batch_info(images, rate=rate, bit_depth=depth, sound=sound, digest=f"{digest} {heard}")
    # Of the usual kinds of files, this one holds alpha.
    return VideoSource(info, ".mov" if info.alpha else ".mp4", Trim(), folder)


def _sound_of(audio: Mapping[str, Any] | None, seconds: Fraction) -> tuple[torch.Tensor | None, int]:
    """C x N in float32 of the first of the sounds, as long as the frames, and the samples a second."""
    if audio is None or not audio["waveform"].numel():
        return None, 0
    rate = int(audio["sample_rate"])
    return audio["waveform"][0, :, : math.ceil(rate * seconds)].detach().float().cpu().contiguous(), rate


def _folder(place: Path, decides: Mapping[str, Any]) -> Path:
    told = json.dumps(decides, sort_keys=True, default=str)
    return place / hashlib.sha256(told.encode()).hexdigest()[:24]


def temporary_place() -> Path:
    """The folder for all videos, in ComfyUI's temporary folder, which ComfyUI empties when it starts."""
    import folder_paths

    return Path(folder_paths.get_temp_directory()) / "gpen-video"


def is_batch(video: Any) -> bool:
    """Whether a VIDEO is one of components."""
    from comfy_api.latest import InputImpl

    return isinstance(video, InputImpl.VideoFromComponents)


def remove_older_runs(place: Path, current: Path) -> None:
    """Remove what runs that were stopped have left, but for the current one and the last ones.

    Finished results stay, since ComfyUI may still hold videos of them.
    """
    parts = [path for path in place.glob("*/*.parts") if path.parent != current]
    parts.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in parts[_KEPT_RUNS:]:
        if is_free(path):
            shutil.rmtree(path.parent, ignore_errors=True)


__all__ = [
    "VideoSource",
    "is_batch",
    "open_source",
    "remove_older_runs",
    "temporary_place",
]

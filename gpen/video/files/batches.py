"""Frames that are in memory already, such as a batch of images, instead of a video file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import torch

from ...errors import VideoError
from .color import BT709, FULL_RANGE, ColorTags
from .frame import Frame
from .info import StreamInfo, VideoInfo
from .opening import require_av, url_of, video_errors
from .orientation import Orientation
from .planes import layout_of, picture_of

# Transfer of sRGB: ITU-T H.273.
_SRGB = 13
# Bits a second for each channel of sound: AAC of which no loss is heard.
_SOUND_BITS = 128_000
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def batch_info(
    images: torch.Tensor, *, rate: Fraction, bit_depth: int = 8, sound: Path | None = None, digest: str = ""
) -> VideoInfo:
    """What `read_info` is for a video.

    Args:
        images: B x H x W x C in 0..1, C of 1, 3 or 4 (the fourth is alpha); they are converted frame by frame.
        rate: frames a second.
        bit_depth: of the samples, 8 to 16; an even number.
        sound: a file with streams of sound, which are copied; see `write_sound`.
        digest: of the frames, see `digest_of`.

    Raises:
        VideoError: there is no frame.
    """
    if not images.numel():
        raise VideoError("The video holds no frame; connect one with at least one frame.")
    number, height, width, channels = images.shape
    layout = layout_of(("gbrap" if channels == 4 else "gbrp") + ("" if bit_depth == 8 else f"{bit_depth}le"))
    assert layout is not None, bit_depth
    return VideoInfo(
        path=sound or Path("frames"),
        width=width,
        height=height,
        orientation=Orientation(),
        time_base=1 / rate,
        rate=rate,
        frame_count=number,
        duration=float(number / rate),
        end=number,
        pixel_format=layout.name,
        layout=layout,
        color=ColorTags(FULL_RANGE, BT709, _SRGB, 0),
        interlaced=False,
        codec="rawvideo",
        container="frames",
        pixel_aspect=None,
        streams=() if sound is None else (StreamInfo(0, "audio", "aac"),),
        stream=-1,
        images=images,
        digest=digest,
    )


def batch_frames(info: VideoInfo, start: int, stop: int | None) -> Iterator[Frame]:
    """The frames of a batch."""
    assert info.images is not None
    color = info.color_model()
    for number in range(start, len(info.images) if stop is None else min(stop, len(info.images))):
        samples = info.images[number].detach().float().clamp(0, 1).cpu().numpy().transpose(2, 0, 1)
        rgb = samples[:3] if len(samples) >= 3 else samples[:1].repeat(3, axis=0)
        picture = picture_of(rgb, samples[3] if len(samples) == 4 else None, info.layout)
        picture.pts = number
        yield Frame(number, number, True, picture, color, info.orientation)


def digest_of(images: torch.Tensor, look: Callable[[], object] = lambda: None) -> str:
    """SHA-256 of frames, B x H x W x C; `look` is called after each."""
    digest = hashlib.sha256(f"{tuple(images.shape)} {images.dtype}".encode())
    for image in images:
        digest.update(image.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        look()
    return digest.hexdigest()


def write_sound(path: Path, waveform: torch.Tensor, sample_rate: int) -> Path:
    """Encode sound as AAC, for `batch_info`.

    Args:
        path: of an MP4 file.
        waveform: C x N in -1..1.
        sample_rate: samples a second.

    Raises:
        VideoError: the file cannot be written, or there is no encoder for such a rate or number of channels.
    """
    av = require_av()
    samples = waveform.detach().float().cpu().contiguous().numpy()
    layout = _LAYOUTS.get(len(samples))
    if layout is None:
        samples, layout = samples[:2], "stereo"
    with video_errors(path, "written"), av.open(url_of(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=sample_rate, layout=layout)
        stream.bit_rate = _SOUND_BITS * len(samples)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = sample_rate, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path

"""Frames in memory as the source of a video, with sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video.files import (
    EncoderSettings,
    SegmentWriter,
    batch_info,
    choose_encoder,
    digest_of,
    join,
    read_frames,
    read_info,
    read_times,
    segment_suffix,
    write_sound,
)

RATE = Fraction(30000, 1001)


def batch(number: int = 7, size: tuple[int, int] = (48, 64), channels: int = 3) -> torch.Tensor:
    return torch.rand((number, *size, channels), generator=torch.Generator().manual_seed(0))


def write(images: torch.Tensor, target: Path, codec: str = "", **options) -> tuple[Path, tuple[str, ...]]:
    info = batch_info(images, rate=RATE, **options)
    encoder = choose_encoder(info, target, EncoderSettings(codec))
    segments = [target.with_name(f"{n}{segment_suffix(encoder)}") for n in range(2)]
    for segment, (start, stop) in zip(segments, ((0, 3), (3, None)), strict=True):
        with SegmentWriter(segment, info, encoder) as writer:
            for frame in read_frames(info, start=start, stop=stop):
                writer.write(frame)
    join(segments, info, encoder, target)
    return target, encoder.notes


@pytest.mark.parametrize(("depth", "channels"), [(8, 3), (10, 3), (8, 4), (8, 1)])
def test_frames_come_back_from_a_lossless_file(tmp_path, depth, channels):
    images = batch(channels=channels)
    path, notes = write(
        images, tmp_path / ("out.mov" if depth == 8 else "out.mkv"), "png" if depth == 8 else "ffv1", bit_depth=depth
    )
    info = read_info(path)
    frames = list(read_frames(info))
    assert (len(frames), info.bit_depth, info.alpha, notes) == (7, depth, channels == 4, ())
    steps = (1 << depth) - 1
    for own, frame in zip(images, frames, strict=True):
        colours = own[..., :3] if channels > 1 else own.expand(-1, -1, 3)
        assert (frame.rgb().movedim(0, -1) - colours).abs().max() <= 0.51 / steps
        alpha = frame.alpha()
        assert alpha is None or (alpha - own[..., 3]).abs().max() <= 0.51 / 255


def test_sound_and_times_are_kept_in_an_mp4(tmp_path):
    tone = torch.sin(torch.arange(44100 // 4) / 20).expand(2, -1) * 0.4
    sound = write_sound(tmp_path / "sound.mp4", tone, 44100)
    path, _ = write(batch(), tmp_path / "out.mp4", sound=sound)
    info = read_info(path)
    assert [stream.kind for stream in info.streams] == ["video", "audio"] and info.codec == "h264"
    seconds = read_times(info) * info.time_base
    assert [round(float(one), 6) for one in seconds] == [round(float(n / RATE), 6) for n in range(7)]
    with av.open(str(path)) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert heard.shape[0] == 2 and np.abs(heard[:, : tone.shape[1]] - tone.numpy())[:, 2000:-2000].max() < 0.05


def test_frames_of_odd_sizes_are_told(tmp_path):
    path, notes = write(batch(size=(47, 63)), tmp_path / "out.mp4")
    info = read_info(path)
    assert (info.width, info.height) == (64, 48) and any("even" in note for note in notes)


def test_a_batch_without_frames_is_refused():
    with pytest.raises(VideoError, match="no frame"):
        batch_info(torch.zeros(0, 8, 8, 3), rate=RATE)


def test_a_digest_tells_frames_apart():
    one, other = batch(), batch()
    other[-1, -1, -1, -1] += 1e-4
    assert digest_of(one) == digest_of(one.clone()) != digest_of(other)

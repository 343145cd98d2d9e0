"""Frames as they are decoded, and changed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from av.video.reformatter import Colorspace
from videos import contents, make_video, plane_bytes

from gpen_blocks.gpen.video.files import read_frames, read_info, read_times


def planes(frame) -> bytes:
    return b"".join(plane_bytes(frame.picture))


# Closed and open groups of pictures, and kinds of files that seek in their own ways.
SEEKING = [
    (".mp4", {"codec": "libx264", "options": {"bf": "3", "g": "12"}}),
    (".mkv", {"codec": "libx264", "options": {"x264-params": "open-gop=1:keyint=12:bframes=3"}}),
    (".mkv", {"codec": "libx265", "options": {"x265-params": "log-level=error:open-gop=1:keyint=12:bframes=3"}}),
    (".webm", {"codec": "libvpx-vp9", "options": {"g": "12"}}),
    (".ts", {"codec": "libx264", "options": {"bf": "3", "g": "12"}, "sound": ("deu",)}),
    (".avi", {"codec": "libx264", "options": {"bf": "0", "g": "12"}, "time_base": Fraction(1, 25)}),
    (".gif", {"codec": "gif", "pixel_format": "rgb8", "time_base": Fraction(1, 100)}),
    (".mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
]


@pytest.mark.parametrize(("suffix", "how"), SEEKING)
def test_reading_may_begin_anywhere(tmp_path, suffix, how):
    times = tuple(np.cumsum(np.random.default_rng(0).integers(2, 90, 80)).tolist())
    if suffix in (".avi", ".gif"):
        times = tuple(range(0, 240, 3)) if suffix == ".gif" else tuple(range(80))
    source = make_video(tmp_path / f"source{suffix}", times=times, **how)
    info = read_info(source)
    whole = [(frame.number, frame.time, planes(frame)) for frame in read_frames(info)]
    known = read_times(info)
    assert len(whole) == 80 and [time for _, time, _ in whole] == known.tolist()
    for start, stop in ((0, 3), (1, 2), (11, 14), (12, 13), (37, 60), (79, None), (80, None)):
        frames = read_frames(info, start=start, stop=stop, times=known)
        assert [(frame.number, frame.time, planes(frame)) for frame in frames] == whole[start:stop]


FULL = (2, 1, 1, 1)
# Pixel format, tags of colour, and how far off a change of 8 x 8 pixels may be at most, in 0..1: rounding of samples,
# and what chroma of a lower resolution cannot show.
KINDS = [
    ("yuv444p", None, 0.006),
    ("yuv444p", FULL, 0.006),
    ("yuv444p12le", (1, 9, 14, 9), 0.0004),
    ("gbrp10le", None, 0.0006),
    ("gray", None, 0.0022),
    ("yuv420p", None, 0.02),
    ("yuv420p10le", (1, 9, 14, 9), 0.015),
    ("yuv422p10le", (1, 1, 1, 1), 0.015),
    ("yuva420p", None, 0.02),
    ("yuv411p", None, 0.03),
]


def bump(height: int, width: int) -> torch.Tensor:
    """A soft change in the middle, 3 x H x W, nought outside."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    hill = np.clip(1 - ((y - height / 2) ** 2 + (x - width / 2) ** 2) / 12**2, 0, None) ** 2
    return torch.from_numpy(hill * np.array([0.12, 0.10, 0.07], np.float32)[:, None, None])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(("pixel_format", "color", "tolerance"), KINDS)
def test_a_change_is_put_back_and_nothing_else(tmp_path, pixel_format, color, tolerance, rotation):
    source = make_video(
        tmp_path / "source.mkv",
        codec="ffv1",
        pixel_format=pixel_format,
        size=(63, 45),
        rotation=rotation,
        color=color,
        times=[0, 40],
        soft=True,
    )
    info = read_info(source)
    assert info.rotation == rotation and (info.width, info.height) == ((45, 63) if rotation % 180 else (63, 45))
    untouched = [planes(frame) for frame in read_frames(info)]
    frame = next(iter(read_frames(info)))
    before = frame.rgb()
    assert before.shape == (3, info.height, info.width) and before.dtype == torch.float32
    frame.add_change(before, before.clone())
    assert planes(frame) == untouched[0]
    wanted = bump(info.height, info.width)
    if pixel_format == "gray":
        wanted = wanted.mean(0, keepdim=True).expand(3, -1, -1)
    frame.add_change(before, before + wanted)
    change = frame.rgb() - before
    assert (change - wanted).abs().max() < tolerance
    outside = (wanted == 0).all(0)
    near = torch.nn.functional.max_pool2d((~outside).float()[None], 9, 1, 4)[0] > 0
    assert outside.any() and not near.all() and not change[:, ~near].any()


@pytest.mark.parametrize("color", [(1, 6, 6, 6), (1, 1, 1, 1), (2, 1, 1, 1), (1, 9, 14, 9)])
def test_colours_are_those_of_ffmpeg(tmp_path, color):
    source = make_video(tmp_path / "source.mkv", codec="ffv1", pixel_format="yuv444p", color=color, times=[0])
    frame = next(iter(read_frames(read_info(source))))
    names = {6: "ITU601", 1: "ITU709", 9: "BT2020"}
    theirs = frame.picture.reformat(
        format="gbrp16le", src_colorspace=getattr(Colorspace, names[color[3]]), src_color_range=color[0]
    ).to_ndarray()
    assert np.abs(frame.rgb().permute(1, 2, 0).numpy() - theirs / 65535).max() < 0.004


def test_a_mask_limits_the_change(tmp_path):
    source = make_video(tmp_path / "source.mkv", codec="ffv1", pixel_format="yuv444p")
    frame = next(iter(read_frames(read_info(source))))
    before = frame.rgb()
    mask = torch.zeros(48, 64)
    mask[5:9, 7:20] = 1
    frame.add_change(before, (before * 0.5).clone(), mask)
    changed = (frame.rgb() != before).any(0)
    assert not changed[mask == 0].any() and changed[mask > 0].float().mean() > 0.9


def test_times_stay_in_the_file_that_was_read(tmp_path):
    source = make_video(tmp_path / "source.mkv", times=(5000, 5040, 5100))
    info = read_info(source)
    assert [frame.time * info.time_base for frame in read_frames(info)] == contents(source).times

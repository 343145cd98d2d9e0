"""Sequences of pictures, in and out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from videos import contents, make_video

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.images import Picture, read_picture, write_picture
from gpen_blocks.gpen.video.files import (
    PictureWriter,
    SegmentWriter,
    choose_encoder,
    is_sequence,
    join,
    read_frames,
    read_info,
    read_sequence_info,
)


def write_pictures(folder, count=12, size=(40, 60)):
    """Pictures of 16 bits with alpha and a colour profile; pixels of each."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rng, all_pixels = np.random.default_rng(0), []
    for number in range(1, count + 1):
        pixels = torch.from_numpy((rng.integers(0, 65536, (1, 3, *size)) / 65535).astype(np.float32))
        alpha = torch.from_numpy((rng.integers(0, 65536, (1, 1, *size)) / 65535).astype(np.float32))
        write_picture(Picture(pixels, alpha, 16, icc_profile=profile), folder / f"shot{number}.png")
        all_pixels.append(pixels)
    return all_pixels, profile


def test_pictures_come_in_order_and_go_out_with_all_they_hold(tmp_path):
    all_pixels, profile = write_pictures(tmp_path / "in")
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    info = read_sequence_info(tmp_path / "in")
    assert is_sequence(tmp_path / "in") and info.frame_count == 12 and info.bit_depth == 16 and info.alpha
    writer = PictureWriter(tmp_path / "out", info)
    for frame, pixels in zip(read_frames(info), all_pixels, strict=True):
        before = frame.rgb()
        assert torch.equal(before[None], pixels)
        after = before.clone()
        after[:, 5:20, 7:30] = after[:, 5:20, 7:30] * 0.5
        frame.add_change(before, after)
        writer.write(frame)
    one, other = (read_picture(tmp_path / folder / "shot11.png") for folder in ("in", "out"))
    assert other.bit_depth == 16 and other.icc_profile == profile
    assert one.alpha is not None and other.alpha is not None and torch.equal(one.alpha, other.alpha)
    changed = (one.pixels != other.pixels)[0].any(0)
    assert changed[5:20, 7:30].float().mean() > 0.99
    changed[5:20, 7:30] = False
    assert not changed.any()
    assert (other.pixels[..., 5:20, 7:30] - one.pixels[..., 5:20, 7:30] * 0.5).abs().max() < 1e-5


def test_a_sequence_becomes_a_video(tmp_path):
    for number in range(5):
        slope = np.linspace(0, 200 + number * 10, 64, dtype=np.uint8)
        Image.fromarray(np.stack([np.tile(slope, (48, 1))] * 3, -1)).save(tmp_path / f"frame_{number:03d}.png")
    info = read_sequence_info(tmp_path / "frame_%03d.png", rate=Fraction(30000, 1001))
    encoder = choose_encoder(info, "result.mp4")
    with SegmentWriter(tmp_path / "part.nut", info, encoder) as writer:
        for frame in read_frames(info):
            writer.write(frame)
    join([tmp_path / "part.nut"], info, encoder, tmp_path / "result.mp4")
    assert contents(tmp_path / "result.mp4").times == [Fraction(1001 * n, 30000) for n in range(5)]
    result = read_info(tmp_path / "result.mp4")
    assert result.rate == Fraction(30000, 1001) and result.color.matrix == 1 and result.pixel_format == "yuv420p"
    for one, other in zip(read_frames(info), read_frames(result), strict=True):
        assert (one.rgb() - other.rgb()).abs().mean() < 0.01


def test_a_video_becomes_a_sequence_that_is_upright_and_as_deep(tmp_path):
    source = make_video(
        tmp_path / "source.mkv", codec="ffv1", pixel_format="yuv444p10le", rotation=90, times=(0, 40), soft=True
    )
    info = read_info(source)
    for target in (tmp_path / "out", tmp_path / "out" / "moment-%03d.tif"):
        assert is_sequence(target)
        writer = PictureWriter(target, info)
        for frame in read_frames(info):
            writer.write(frame)
            written = read_picture(writer.path_of(frame.number))
            assert written.bit_depth == 16 and (written.pixels[0] - frame.rgb()).abs().max() < 1e-5
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["frame_000001.png", "frame_000002.png", "moment-001.tif", "moment-002.tif"]


def test_what_is_no_sequence_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match=r"empty has no pictures; give a folder of pictures"):
        read_sequence_info(tmp_path / "empty")
    with pytest.raises(VideoError, match=r"%d.png has no pictures"):
        read_sequence_info(tmp_path / "nowhere" / "%d.png")
    for number, size in enumerate([(8, 8), (8, 9)]):
        Image.new("RGB", size).save(tmp_path / f"{number}.png")
    with pytest.raises(VideoError, match=r"1.png has 8 x 9 pixels and the first picture 8 x 8"):
        list(read_frames(read_sequence_info(tmp_path / "%d.png")))
    assert not is_sequence(make_video(tmp_path / "video.mp4"))


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ((1, 2, 3, 5, 7), "4, 6 are not there"),
        ((8, 9, 11), "10 is not there"),
        ((1, 2, 3), ""),
        ((10, 20, 30), ""),
        ((20240101, 20240201), ""),
    ],
)
def test_gaps_in_the_numbers_are_told(tmp_path, numbers, told):
    for number in numbers:
        Image.new("RGB", (8, 8)).save(tmp_path / f"f{number:04d}.png")
    notes = read_sequence_info(tmp_path).notes
    assert bool(notes) == bool(told) and all(told in note for note in notes)


def test_a_video_with_a_number_sign_in_its_name_is_no_sequence(tmp_path):
    (tmp_path / "100%d").write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    assert not is_sequence(tmp_path / "100%d") and not is_sequence(tmp_path / "take %02d.MP4")
    assert is_sequence(tmp_path / "take %02d.png") and is_sequence(tmp_path / "folder.mp4")

"""Videos of all kinds go through frames, segments and joining as what they were."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
import torch
from videos import contents, make_video, rewrite

from gpen_blocks.gpen.errors import SettingsError, VideoError
from gpen_blocks.gpen.video.files import EncoderSettings, choose_encoder, read_frames, read_info

QUIET = {"x265-params": "log-level=error"}
CENTI = Fraction(1, 100)
TS = Fraction(1, 90000)
H264 = ("h264", "yuv420p")
# Suffixes of source and result, how the source is made, what the result is, and how far off its RGB may be on average.
KINDS: list[tuple[str, str, dict[str, Any], tuple[str, str], float]] = [
    (
        ".mp4",
        ".mp4",
        {"codec": "libx264", "pixel_format": "yuvj420p", "color": (2, 1, 13, 1)},
        ("h264", "yuvj420p"),
        0.01,
    ),
    (
        ".mp4",
        ".mp4",
        {"codec": "libx264", "pixel_format": "yuv422p10le", "color": (1, 1, 1, 1)},
        ("h264", "yuv422p10le"),
        0.01,
    ),
    (
        ".mp4",
        ".mp4",
        {"codec": "libx265", "pixel_format": "yuv420p10le", "color": (1, 9, 16, 9), "options": QUIET},
        ("hevc", "yuv420p10le"),
        0.01,
    ),
    (
        ".mkv",
        ".mkv",
        {"codec": "libx265", "pixel_format": "yuv444p12le", "options": QUIET},
        ("hevc", "yuv444p12le"),
        0.01,
    ),
    (
        ".mkv",
        ".webm",
        {"codec": "libx265", "pixel_format": "yuv420p10le", "size": (128, 96), "options": QUIET},
        ("av1", "yuv420p10le"),
        0.01,
    ),
    (".mp4", ".mp4", {"codec": "libsvtav1", "size": (133, 95)}, ("av1", "yuv420p"), 0.01),
    (
        ".webm",
        ".webm",
        {"codec": "libvpx-vp9", "pixel_format": "yuva420p", "sound": ("deu",)},
        ("vp9", "yuva420p"),
        0.01,
    ),
    (".webm", ".webm", {"codec": "libvpx", "sound": ("deu",)}, ("vp8", "yuv420p"), 0.02),
    (".webm", ".mp4", {"codec": "libvpx-vp9", "size": (33, 25)}, ("vp9", "yuv420p"), 0.01),
    (".mov", ".mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}, ("prores", "yuv422p10le"), 0.005),
    (".mov", ".mov", {"codec": "prores_ks", "pixel_format": "yuva444p10le"}, ("prores", "yuva444p12le"), 0.005),
    (".mov", ".mov", {"codec": "mjpeg", "pixel_format": "yuvj420p"}, ("mjpeg", "yuvj420p"), 0.01),
    (".mov", ".mov", {"codec": "png", "pixel_format": "rgba"}, ("png", "rgba"), 1e-6),
    (".mkv", ".mkv", {"codec": "ffv1", "pixel_format": "yuv422p16le"}, ("ffv1", "yuv422p16le"), 1e-6),
    (".mov", ".mov", {"codec": "rawvideo", "pixel_format": "uyvy422"}, ("h264", "yuv422p"), 0.01),
    (
        ".avi",
        ".avi",
        {"codec": "libx264", "time_base": Fraction(1, 25), "times": range(10), "options": {"bf": "0"}},
        H264,
        0.01,
    ),
    (".avi", ".mp4", {"codec": "mpeg4", "time_base": Fraction(1, 25), "times": range(10)}, H264, 0.01),
    (
        ".ts",
        ".ts",
        {"codec": "mpeg2video", "time_base": Fraction(1, 25), "times": range(10), "sound": ("deu",)},
        H264,
        0.01,
    ),
    (
        ".ts",
        ".ts",
        {"codec": "libx264", "time_base": TS, "times": range(900000, 936000, 3600), "sound": ("deu",)},
        H264,
        0.01,
    ),
    (
        ".gif",
        ".gif",
        {"codec": "gif", "pixel_format": "rgb8", "time_base": CENTI, "times": range(0, 90, 9)},
        ("gif", "bgra"),
        0.01,
    ),
    (".mxf", ".mxf", {"codec": "mpeg2video", "time_base": Fraction(1, 25), "times": range(10)}, H264, 0.01),
    (".mkv", ".mkv", {"codec": "ffv1", "pixel_format": "bgr0"}, ("ffv1", "bgr0"), 1e-6),
    (".mkv", ".mkv", {"times": (5000, 5040, 5100), "sound": ("deu",)}, H264, 0.01),
    (".mp4", ".mp4", {"times": (5000, 5040, 5100)}, H264, 0.01),
    (".mp4", ".mp4", {"times": (-80, -40, 0, 40)}, H264, 0.01),
    (".mkv", ".mkv", {"times": (0,)}, H264, 0.01),
    (".mp4", ".mp4", {"size": (16, 16)}, H264, 0.01),
    (".mp4", ".mp4", {"pixel_aspect": Fraction(4, 3)}, H264, 0.01),
    (".mp4", ".mp4", {"interlaced": True, "options": {"x264-params": "tff=1"}}, H264, 0.01),
    (
        ".mp4",
        ".mp4",
        {"time_base": Fraction(1001, 30000), "rate": Fraction(30000, 1001), "times": range(10)},
        H264,
        0.01,
    ),
]


@pytest.mark.parametrize(("suffix", "other", "how", "what", "tolerance"), KINDS)
def test_a_video_stays_what_it_is(tmp_path, suffix, other, how, what, tolerance):
    source, target = make_video(tmp_path / f"source{suffix}", soft=True, **how), tmp_path / f"result{other}"
    rewrite(source, target)
    before, after = read_info(source), read_info(target)
    assert (after.codec, after.pixel_format) == what
    assert (after.width, after.height) == (before.width, before.height)
    assert (after.interlaced, after.pixel_aspect or 1) == (before.interlaced, before.pixel_aspect or 1)
    if "color" in how:
        assert after.color == before.color
    pairs = list(zip(read_frames(before), read_frames(after), strict=True))
    assert len(pairs) == len(contents(source).times)
    assert [a.time * before.time_base for a, _ in pairs] == [b.time * after.time_base for _, b in pairs]
    assert max(float((a.rgb() - b.rgb()).abs().mean()) for a, b in pairs) < tolerance
    assert [stream[4] for stream in contents(target).streams] == [stream[4] for stream in contents(source).streams]


def test_odd_sizes_grow_where_the_encoder_needs_even_ones(tmp_path):
    source = make_video(
        tmp_path / "source.gif",
        codec="gif",
        pixel_format="rgb8",
        size=(33, 25),
        rate=10,
        time_base=CENTI,
        times=range(0, 50, 10),
        soft=True,
    )
    notes = rewrite(source, tmp_path / "result.mp4")
    assert "h264 needs even sizes: the last row or column is repeated." in notes
    before, after = read_info(source), read_info(tmp_path / "result.mp4")
    assert (after.width, after.height) == (34, 26)
    for one, other in zip(read_frames(before), read_frames(after), strict=True):
        # Dithered colours do not survive the lower resolution of chroma one by one.
        difference = torch.nn.functional.avg_pool2d(one.rgb() - other.rgb()[:, :25, :33], 5)
        assert difference.abs().mean() < 0.02


def test_what_cannot_be_kept_is_told(tmp_path):
    source = make_video(tmp_path / "source.mov", codec="prores_ks", pixel_format="yuva444p10le")
    assert rewrite(source, tmp_path / "result.mp4") == [
        "prores cannot be written to result.mp4 as it is (prores_ks: 'mp4' format does not support 'prores_ks' codec); "
        "h264 is used.",
        "With h264, alpha is left out and 12 bits become 10.",
    ]


def test_the_light_of_hdr_is_described_as_in_the_source(tmp_path):
    params = "log-level=error:hdr10=1:max-cll=1000,400:"
    params += "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    source = make_video(
        tmp_path / "source.mp4",
        codec="libx265",
        pixel_format="yuv420p10le",
        color=(1, 9, 16, 9),
        options={"x265-params": params},
    )
    rewrite(source, tmp_path / "result.mp4")
    before, after = read_info(source), read_info(tmp_path / "result.mp4")
    assert after.hdr == before.hdr == "PQ" and struct.unpack_from("2I", after.side_data["CONTENT_LIGHT_LEVEL"]) == (
        1000,
        400,
    )
    values = [
        np.array(struct.unpack_from("20i", info.side_data["MASTERING_DISPLAY_METADATA"])).reshape(10, 2)
        for info in (before, after)
    ]
    assert np.allclose(*(value[:, 0] / value[:, 1] for value in values), rtol=1e-6)


def test_settings_reach_the_encoder(tmp_path):
    source = make_video(tmp_path / "source.mkv")
    info = read_info(source)
    sizes = []
    for crf in (5, 40):
        rewrite(source, tmp_path / "result.mp4", EncoderSettings("hevc", crf=crf, preset="ultrafast"))
        with av.open(str(tmp_path / "result.mp4")) as result:
            assert result.streams.video[0].codec_context.name == "hevc"
            sizes.append(sum(packet.size for packet in result.demux()))
    assert sizes[0] > 2 * sizes[1]
    for settings, message in (
        (EncoderSettings("nonsense"), r"codec is 'nonsense', which this PyAV cannot encode"),
        (EncoderSettings("ffv1", crf=3), r"crf cannot be set for ffv1"),
        (EncoderSettings("ffv1", preset="slow"), r"preset cannot be set for ffv1"),
        (EncoderSettings(crf=float("nan")), r"crf is nan, and must lie between"),
    ):
        with pytest.raises(SettingsError, match=message):
            choose_encoder(info, "result.mkv", settings)
    with pytest.raises(VideoError, match=r"result.mp4: prores_ks: 'mp4' format does not support"):
        choose_encoder(info, "result.mp4", EncoderSettings("prores"))
    with pytest.raises(VideoError, match=r"result.wmv has a suffix that is not written"):
        choose_encoder(info, "result.wmv")
    # Without a card, the encoder of the processor is used.
    assert choose_encoder(info, "result.mp4", EncoderSettings(hardware=True)).name

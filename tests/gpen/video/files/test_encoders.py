"""What encoders are told: options that they have, with values in their range; and what happens where none opens."""

from __future__ import annotations

import av
import numpy as np
import pytest
from videos import make_video

from gpen_blocks.gpen.errors import SettingsError, VideoError
from gpen_blocks.gpen.video.files import EncoderSettings, choose_encoder, read_info
from gpen_blocks.gpen.video.files.encoder_options import _PRESETS, encoder_options
from gpen_blocks.gpen.video.files.pixel_formats import Converter
from gpen_blocks.gpen.video.files.planes import layout_of, planes_of

SOFTWARE = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "libvpx", "prores_ks", "mjpeg", "gif")
HARDWARE = tuple(
    f"{codec}_{maker}" for codec in ("h264", "hevc", "av1") for maker in ("nvenc", "qsv", "amf", "videotoolbox")
)
# Types of options that take numbers: AV_OPT_TYPE_INT, INT64, DOUBLE and FLOAT.
NUMBERS = (2, 3, 4, 5)


def presets_of(name: str) -> tuple[str, ...]:
    return _PRESETS.get(name) or _PRESETS.get(name.rpartition("_")[2], ())


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    return read_info(make_video(tmp_path_factory.mktemp("videos") / "source.mkv"))


@pytest.mark.parametrize("name", [*SOFTWARE, *HARDWARE, "vp9_qsv"])
@pytest.mark.parametrize(("crf", "preset"), [(None, ""), (30.0, ""), (None, "one")])
def test_encoders_have_the_options_that_they_are_told(info, name, crf, preset):
    """Encoders of graphics cards are compiled into PyAV and know their options without such a card."""
    try:
        context = av.CodecContext.create(name, "w")
    except ValueError:
        pytest.skip("not part of this PyAV")
    if not hasattr(context, "supported_options"):
        pytest.skip("before PyAV 18")
    if (crf is not None and name in ("prores_ks", "gif")) or (preset and not presets_of(name)):
        pytest.skip("has no such scale")
    preset = preset and presets_of(name)[0]
    options = encoder_options(info, name, "yuv420p", crf, preset)
    known = {option.name: option for option in (*context.supported_options.generic, *context.supported_options.private)}
    assert options.keys() <= known.keys()
    for key, value in options.items():
        option, choices = known[key], {choice.name for choice in known[key].choices}
        if value == preset or int(option.type) not in NUMBERS:
            continue
        if value not in choices:
            assert option.min <= float(value.replace("M", "e6")) <= option.max, (key, value)


@pytest.mark.parametrize("name", [*SOFTWARE, *HARDWARE, "vp9_qsv"])
def test_presets_that_are_listed_are_those_that_it_has(info, name):
    listed = presets_of(name)
    if not listed:
        return
    try:
        context = av.CodecContext.create(name, "w")
    except ValueError:
        pytest.skip("not part of this PyAV")
    if not hasattr(context, "supported_options"):
        pytest.skip("before PyAV 18")
    asked = encoder_options(info, name, "yuv420p", None, listed[0])
    (key,) = [key for key, value in asked.items() if value == listed[0] and key in ("preset", "quality", "cpu-used")]
    option = next(option for option in context.supported_options.private if option.name == key)
    choices = {choice.name for choice in option.choices}
    if choices:
        assert set(listed) <= choices and len(choices - set(listed)) <= 1
    elif int(option.type) in NUMBERS:
        assert option.min <= int(listed[0]) and int(listed[-1]) <= option.max


@pytest.mark.parametrize("name", ["libx264", "libx265"])
def test_each_preset_opens(info, name, tmp_path):
    for preset in presets_of(name):
        settings = EncoderSettings(codec=name, preset=preset)
        assert choose_encoder(info, tmp_path / "result.mkv", settings).options["preset"] == preset


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        ("", "libx264 has no preset 'nonsense'; choose one of ultrafast, superfast"),
        ("hevc", "libx265 has no preset 'nonsense'; choose one of ultrafast"),
        ("av1", "libsvtav1 has no preset 'nonsense'; choose a number from -1 to 13"),
        ("vp9", "libvpx-vp9 has no preset 'nonsense'; choose a number from -8 to 8"),
    ],
)
def test_a_preset_that_is_none_is_told_before_anything_is_tried(info, capfd, codec, words):
    with pytest.raises(SettingsError, match=words):
        choose_encoder(info, "result.mkv", EncoderSettings(codec, preset="nonsense"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "preset"), [("h264_nvenc", "p6"), ("hevc_qsv", "slow"), ("h264_amf", "quality")])
def test_presets_are_those_of_the_encoder(info, name, preset):
    option = {"nvenc": "preset", "qsv": "preset", "amf": "quality"}[name.partition("_")[2]]
    assert encoder_options(info, name, "nv12", None, preset)[option] == preset


def test_quality_means_the_same_in_all_directions(info):
    """Lower is better, also where the encoder counts from 100 down, and it is meant for all kinds of frames."""
    assert encoder_options(info, "h264_videotoolbox", "nv12", None, "")["global_quality"] == str(80 * 118)
    assert encoder_options(info, "h264_videotoolbox", "nv12", 40, "")["global_quality"] == str(50 * 118)
    told = encoder_options(info, "h264_amf", "nv12", 25, "")
    assert (told["qp_i"], told["qp_p"], told["qp_b"]) == ("25", "25", "25")
    assert "qp_b" not in encoder_options(info, "hevc_amf", "nv12", 25, "")


def test_without_a_graphics_card_software_is_used_aloud(info):
    encoder = choose_encoder(info, "result.mkv", EncoderSettings(hardware=True))
    if encoder.name != "libx264":
        pytest.skip(f"{encoder.name} opens here")
    (note,) = encoder.notes
    assert note.startswith("No graphics card encodes this here (h264_nvenc: ")
    assert note.endswith("); libx264 is used.") and "h264_qsv: " in note and "h264_amf: " in note
    with pytest.raises(VideoError, match=r"^No encoder writes this video to result\.mkv: h264_nvenc: [^:;]+\.$"):
        choose_encoder(info, "result.mkv", EncoderSettings(codec="h264_nvenc"))


@pytest.mark.parametrize(("name", "other"), [("yuv420p", "nv12"), ("yuv420p10le", "p010le")])
def test_frames_for_graphics_cards_have_the_same_samples(info, name, other):
    layout, rng = layout_of(name), np.random.default_rng(0)
    frame = av.VideoFrame(64, 48, name)
    for plane in planes_of(frame):
        plane[:] = rng.integers(0, 1 << layout.depth, plane.shape)
    there = Converter(layout, info.color, other, (64, 48))(frame)
    assert there.format.name == other
    back = there.reformat(format=name)
    assert all(np.array_equal(a, b) for a, b in zip(planes_of(frame), planes_of(back), strict=True))


def test_a_codec_that_nobody_would_choose_today_is_told(tmp_path):
    source = make_video(tmp_path / "old.mkv", codec="mpeg4")
    encoder = choose_encoder(read_info(source), tmp_path / "new.mkv")
    assert encoder.name == "libx264" and encoder.notes == ("mpeg4 is not written again; h264 is used.",)
    assert choose_encoder(read_info(source), tmp_path / "new.mkv", EncoderSettings("h264")).notes == ()

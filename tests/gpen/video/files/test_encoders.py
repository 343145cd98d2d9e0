"""What encoders are told: options that they have, with values in their range; and what happens where none opens."""

from __future__ import annotations

import av
import numpy as np
import pytest
from videos import make_video

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video.files import EncoderSettings, choose_encoder, read_info
from gpen_blocks.gpen.video.files.encoder_options import encoder_options
from gpen_blocks.gpen.video.files.pixel_formats import Converter
from gpen_blocks.gpen.video.files.planes import layout_of, planes_of

SOFTWARE = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "libvpx", "prores_ks", "mjpeg", "gif")
HARDWARE = tuple(
    f"{codec}_{maker}" for codec in ("h264", "hevc", "av1") for maker in ("nvenc", "qsv", "amf", "videotoolbox")
)
# Types of options that take numbers: AV_OPT_TYPE_INT, INT64, DOUBLE and FLOAT.
NUMBERS = (2, 3, 4, 5)


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
    if (crf is not None and name in ("prores_ks", "gif")) or (preset and name in ("prores_ks", "gif", "mjpeg")):
        pytest.skip("has no such scale")
    options = encoder_options(info, name, "yuv420p", crf, preset)
    known = {option.name: option for option in (*context.supported_options.generic, *context.supported_options.private)}
    assert options.keys() <= known.keys()
    for key, value in options.items():
        option, choices = known[key], {choice.name for choice in known[key].choices}
        if value == "one" or int(option.type) not in NUMBERS:
            continue
        if value not in choices:
            assert option.min <= float(value.replace("M", "e6")) <= option.max, (key, value)


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

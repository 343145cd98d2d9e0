"""How each encoder is told quality and speed, as FFmpeg documents its options."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from ...errors import SettingsError
from .info import VideoInfo


@dataclass(frozen=True)
class _Dial:
    """How an encoder is told quality and speed: names of options.

    Attributes:
        option: takes the quality.
        quality: visually lossless.
        preset_option: takes the preset; empty: there is none.
        options: of all files.
        also: options that take the quality as well.
        percent: whether the scale is 1 to 100, higher being better; what is asked for is one of 0 to 80 then.
    """

    option: str
    quality: float
    preset_option: str = ""
    options: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    percent: bool = False


# The quality at which users of each encoder see no difference, by common judgement.
_DIALS = {
    "libx264": _Dial("crf", 16, "preset", {"preset": "medium"}),
    "libx265": _Dial("crf", 18, "preset", {"preset": "medium", "x265-params": "log-level=error"}),
    "libsvtav1": _Dial("crf", 20, "preset", {"preset": "6"}),
    "libvpx-vp9": _Dial("crf", 18, "cpu-used", {"b": "0", "cpu-used": "3", "row-mt": "1"}),
    "libvpx": _Dial("crf", 6, "cpu-used", {"b": "100M", "cpu-used": "2"}),
    "nvenc": _Dial("cq", 18, "preset", {"preset": "p6", "rc": "vbr", "b": "0"}),
    "qsv": _Dial("global_quality", 18, "preset"),
    "h264_amf": _Dial("qp_i", 18, "quality", {"rc": "cqp"}, ("qp_p", "qp_b")),
    "hevc_amf": _Dial("qp_i", 18, "quality", {"rc": "cqp"}, ("qp_p",)),
    "av1_amf": _Dial("qp_i", 80, "quality", {"rc": "cqp"}, ("qp_p", "qp_b")),  # of 255
    "videotoolbox": _Dial("q", 16, percent=True),
    "mjpeg": _Dial("q", 2),
}
_X26 = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_P, _MODES = [f"p{number}" for number in range(1, 8)], ("slow", "medium", "fast", "hp", "hq", "bd")
_LATENCY = ("ll", "llhq", "llhp", "lossless", "losslesshp")
# The presets of each; what else is given makes some of them print to the terminal and others fail when they open.
_PRESETS = {
    "libx264": _X26,
    "libx265": _X26,
    "libsvtav1": tuple(map(str, range(-1, 14))),
    "libvpx-vp9": tuple(map(str, range(-8, 9))),
    "libvpx": tuple(map(str, range(-16, 17))),
    "h264_nvenc": ("default", *_P, *_MODES, *_LATENCY),
    "hevc_nvenc": ("default", *_P, *_MODES, *_LATENCY),
    "av1_nvenc": ("default", *_P, *_MODES[:3]),
    "qsv": _X26[2:9],
    "h264_amf": ("speed", "balanced", "quality"),
    "hevc_amf": ("speed", "balanced", "quality"),
    "av1_amf": ("speed", "balanced", "quality", "high_quality"),
}
# Of encoders without such a scale.
_OTHER_OPTIONS = {"gif": {"global_palette": "0"}}  # or later segments would be shown in the colours of the first
# FFmpeg's factor between `-q` and what an encoder is told.
_QP_TO_LAMBDA = 118


def encoder_options(info: VideoInfo, name: str, pixel_format: str, crf: float | None, preset: str) -> dict[str, str]:
    """The options of an encoder.

    Args:
        info: of the source.
        name: of the encoder.
        pixel_format: of its frames.
        crf: quality in its own scale; None: visually lossless.
        preset: its own; empty: the usual one.

    Raises:
        SettingsError: the encoder has no such quality or preset.
    """
    dial = _DIALS.get(name) or _DIALS.get(name.rpartition("_")[2])
    if crf is not None and dial is None:
        raise SettingsError(f"crf cannot be set for {name}, which has no such scale; leave it out.")
    if preset and (dial is None or not dial.preset_option):
        raise SettingsError(f"preset cannot be set for {name}, which has none; leave it out.")
    presets = _PRESETS.get(name) or _PRESETS.get(name.rpartition("_")[2], ())
    if preset and presets and preset not in presets:
        raise SettingsError(f"{name} has no preset {preset!r}; choose {_listed(presets)}.")
    options = dict(dial.options) if dial else dict(_OTHER_OPTIONS.get(name, {}))
    if dial is not None:
        quality = dial.quality if crf is None else crf
        if dial.percent:
            quality = min(max(100 - 1.25 * quality, 1), 100)
        if dial.option == "q":
            options |= {"flags": "+qscale", "global_quality": str(round(quality * _QP_TO_LAMBDA))}
        else:
            options |= dict.fromkeys((dial.option, *dial.also), f"{quality:g}")
        if preset:
            options[dial.preset_option] = preset
    if name == "prores_ks":
        options["profile"] = "4" if "444" in pixel_format else "3"
    if name == "libx265":
        options["x265-params"] += _hdr_of_x265(info)
    return options


def _listed(presets: tuple[str, ...]) -> str:
    numbers = [preset for preset in presets if preset.lstrip("-").isdigit()]
    if len(numbers) == len(presets):
        return f"a number from {numbers[0]} to {numbers[-1]}"
    return f"one of {', '.join(presets)}"


def _hdr_of_x265(info: VideoInfo) -> str:
    """Mastering display and light level as parameters of x265, which takes them from nowhere else here."""
    told = ""
    mastering = info.side_data.get("MASTERING_DISPLAY_METADATA")
    if mastering:
        # AVMasteringDisplayMetadata: x, y of red, green, blue and white, then least and most light, as fractions.
        numbers = struct.unpack_from("20i", mastering)
        values = [n / d if d else 0.0 for n, d in zip(numbers[::2], numbers[1::2], strict=True)]
        red, green, blue, white = ([round(v * 50000) for v in values[k : k + 2]] for k in (0, 2, 4, 6))
        least, most = (round(value * 10000) for value in values[8:])
        points = "".join(
            f"{n}({x},{y})" for n, (x, y) in zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
        )
        told += f":master-display={points}L({most},{least}):hdr10=1"
    light = info.side_data.get("CONTENT_LIGHT_LEVEL")
    if light:
        told += ":max-cll={},{}".format(*struct.unpack_from("2I", light))
    return told

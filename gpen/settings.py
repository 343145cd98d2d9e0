"""All settings of the chain, declared once: name, default, range or choices, unit, group and meaning.

The options of the command line (`cli.options`), the widgets of the blocks (`nodes.block_settings`), presets, the
keywords of `Restorer` and `docs/settings.md` derive from it. `settings_zh` has the Chinese texts.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from .choices import ColorMatch, Colour, FaceOrder, LandmarkNetwork, MaskMode, WhiteBalance
from .values import require_between, require_choice, require_known, require_type

Group = Literal["find", "prepare", "restore", "detail", "paste", "finish"]
GROUPS: dict[Group, str] = {
    "find": "Finding faces",
    "prepare": "Preparing the whole picture",
    "restore": "Restoring faces",
    "detail": "Detail of the faces",
    "paste": "Pasting faces back",
    "finish": "Finishing",
}
"""The groups of settings with their titles, in the order of the chain."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The declaration of one setting.

    Attributes:
        name: its name everywhere.
        default: its default, which also defines its type: bool, int, float or str.
        group: the part of the chain it belongs to.
        help: its meaning in one or two sentences.
        choices: allowed values of a str.
        range: allowed range of a number, both ends included.
        unit: unit of a number; empty for a share or a factor.
        late: whether its widget in GPENSavePreset is optional, since workflows may have been saved without it.
        rare: whether few users change it, so that GPENSettings shows it among the advanced widgets.
        old_options: earlier names of its command-line option, which still work.
    """

    name: str = ""
    default: bool | int | float | str
    group: Group
    help: str
    choices: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    unit: str = ""
    late: bool = False
    rare: bool = False
    old_options: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """Check a value of this setting and convert it to the right type.

        Raises:
            SettingsError: it has another type, is out of range or is not one of the choices.
        """
        value = require_type(self.name, value, type(self.default))
        if self.choices:
            require_choice(self.name, value, self.choices)
        if self.range:
            require_between(self.name, value, *self.range)
        return value


def _number(
    default: float,
    low: float,
    high: float,
    group: Group,
    help: str,
    *,
    unit: str = "",
    **more: Any,
) -> Any:
    return _declare(Setting(default=default, range=(low, high), group=group, help=help, unit=unit, **more))


def _gain(help: str) -> Any:
    return _number(1.0, 0.0, 4.0, "detail", f"With frequency blending: {help}", late=True, rare=True)


def _share(default: float, help: str) -> Any:
    return _number(default, 0.0, 1.0, "detail", f"Share of the local enhancement for {help}.", late=True, rare=True)


def _strength(part: str) -> Any:
    return _number(1.0, 0.0, 1.0, "paste", f"Share of the strength for {part}.", late=True, rare=True)


def _choice(default: str, choices: object, group: Group, help: str, **more: Any) -> Any:
    return _declare(Setting(default=default, choices=get_args(choices), group=group, help=help, **more))


def _switch(default: bool, group: Group, help: str, **more: Any) -> Any:
    return _declare(Setting(default=default, group=group, help=help, **more))


def _declare(setting: Setting) -> Any:
    return field(default=setting.default, metadata={"setting": setting})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Values of all settings of the chain. The meaning and range of each field is declared below and in `SETTINGS`.

    Args:
        landmarks68: earlier name of `landmark_network`: True is `wflw`, False `bundled`. Only an argument, not a field.

    Raises:
        SettingsError: a value has the wrong type, is out of range or is not one of the choices.
    """

    # Saved workflows identify the widgets of GPENSavePreset by position, so new settings go last.
    score_threshold: float = _number(
        0.0,
        0.0,
        1.0,
        "find",
        "Minimum confidence of a face. 0 = the detector's own threshold.",
        rare=True,
        old_options=("threshold",),
    )
    min_face_size: int = _number(
        0,
        0,
        100_000,
        "find",
        "Smallest face to look for: longer side of its box in pixels; smaller takes longer. 0 = automatic (16, more in "
        "pictures above 2.6 megapixels).",
        unit="pixels",
    )
    max_faces: int = _number(
        0,
        0,
        10_000,
        "find",
        "Maximum number of faces in each picture: the first ones of the order. 0 = all.",
        unit="faces",
    )
    order: FaceOrder = _choice(
        "score",
        FaceOrder,
        "find",
        "Order in which the faces of a picture are numbered. centre = nearest to the centre first, score = highest "
        "confidence first.",
        rare=True,
    )
    rotated: bool = _switch(
        False, "find", "Also search for heads on their side or upside down. The search takes four times as long."
    )
    strength: float = _number(
        1.0, 0.0, 1.0, "restore", "0 leaves the face unchanged, 1 uses the full result; values between mix the two."
    )
    keep_grayscale: bool = _switch(
        True, "restore", "With colour auto: a black-and-white or toned face gets no new colour.", rare=True
    )
    mask_mode: MaskMode = _choice(
        "landmarks",
        MaskMode,
        "paste",
        "Shape of the paste mask. landmarks: from chin to hairline; ellipse: an oval with ears and hair; parsing: "
        "skin, ears and hair, found by a face parser, which is not bundled.",
    )
    feather: float = _number(
        0.1, 0.0, 0.5, "paste", "Width of the mask's soft edge, as a share of the crop's side.", rare=True
    )
    color_match: ColorMatch = _choice(
        "low_band",
        ColorMatch,
        "paste",
        "How the colours of the restored face are matched to the photograph. low_band: colours and light; mean_std: "
        "mean and contrast; none: not at all.",
        rare=True,
    )
    match_grain: float = _number(
        0.0, 0.0, 1.0, "paste", "How much of the photograph's own grain is added to the restored area."
    )
    white_balance: WhiteBalance = _choice(
        "none",
        WhiteBalance,
        "prepare",
        "Removes a colour cast from the whole picture. shades_of_grey judges the light, lab the median colour. "
        "Black-and-white pictures do not change.",
    )
    deblock: float = _number(
        0.0, 0.0, 1.0, "prepare", "How much the edges of JPEG blocks are smoothed, in the whole picture."
    )
    exposure: float = _number(0.0, 0.0, 1.0, "prepare", "How much the shadows of backlit faces are brightened.")
    frequency_blend: float = _number(
        1.0,
        0.0,
        1.0,
        "detail",
        "1 keeps the photograph's own detail and takes only finer detail from the network; 0 takes everything from the "
        "network.",
    )
    deblur: float = _number(
        0.5,
        0.0,
        1.0,
        "detail",
        "With frequency blending: how much of the contrast lost to blur is restored in the photograph's detail.",
    )
    local_enhance: float = _number(
        0.0, 0.0, 2.0, "detail", "How much weak but credible detail is enhanced. 0 changes nothing, 1 is strong."
    )
    finish_sigma: float = _number(
        0.0,
        0.0,
        8.0,
        "finish",
        "Standard deviation of a last, light blur in pixels. 0 = no blur.",
        unit="pixels",
        rare=True,
    )
    finish_mix: float = _number(0.2, 0.0, 1.0, "finish", "How much of the blurred picture is mixed in.", rare=True)
    landmark_network: LandmarkNetwork = _choice(
        "bundled",
        LandmarkNetwork,
        "paste",
        "Network that finds the 68 landmarks for masks and parts of the face. wflw: the 98-point network, if its file "
        "is on this machine.",
        rare=True,
    )
    levels: float = _number(
        0.0, 0.0, 1.0, "prepare", "How much of a faded picture's contrast is restored, in the whole picture."
    )
    colour: Colour = _choice(
        "auto",
        Colour,
        "restore",
        "auto: judge each face, and keep a black-and-white or toned one so; keep: use the colours of the network; "
        "grey: never add colour.",
        late=True,
    )
    focus: bool = _switch(
        False,
        "find",
        "Skip faces that are much smaller (under a third) or much less sharp (twice the blur) than the main ones.",
        late=True,
    )
    denoise: float = _number(
        0.5,
        0.0,
        1.0,
        "detail",
        "How much noise is removed where the photograph's own detail stays. 0 keeps all grain.",
        late=True,
    )
    middle_gain: float = _gain(
        "gain of the network's detail of middle size, such as lids, lips and wrinkles (one to three times the cut-off)."
    )
    high_gain: float = _gain("gain of the network's finer detail, such as hair and pores.")
    eyes_gain: float = _gain("additional gain of the network's detail in the eyes.")
    lips_gain: float = _gain("additional gain of the network's detail in the lips.")
    skin_gain: float = _gain("additional gain of the network's detail in the skin.")
    hair_gain: float = _gain("additional gain of the network's detail in the hair.")
    enhance_eyes: float = _share(1.0, "eyes and brows")
    enhance_lips: float = _share(0.8, "the lips")
    enhance_cheeks: float = _share(0.5, "the cheekbones")
    enhance_hairline: float = _share(0.7, "the band between forehead and hair")
    strength_brows: float = _strength("the brows")
    strength_eyes: float = _strength("the eyes")
    strength_nose: float = _strength("the nose")
    strength_lips: float = _strength("the lips")
    strength_skin: float = _strength("the skin, without eyes, nose and lips")
    strength_hair: float = _strength("the hair and the surroundings of the face, where the mask reaches them")
    match_sharpness: float = _number(
        0.0,
        0.0,
        1.0,
        "paste",
        "How much a restored face that is sharper than its surroundings is softened to match them, but never below the "
        "photograph's own face.",
        late=True,
    )
    landmarks68: InitVar[bool | None] = None

    @property
    def prepares(self) -> bool:
        """Whether these settings change whole pictures before their faces are restored."""
        return self.white_balance != "none" or self.deblock > 0 or self.exposure > 0 or self.levels > 0

    def __post_init__(self, landmarks68: bool | None) -> None:
        if landmarks68 is not None:
            wanted = "wflw" if require_type("landmarks68", landmarks68, bool) else "bundled"
            object.__setattr__(self, "landmark_network", wanted)
        for name, setting in SETTINGS.items():
            object.__setattr__(self, name, setting.check(getattr(self, name)))


SETTINGS: dict[str, Setting] = {
    entry.name: replace(entry.metadata["setting"], name=entry.name) for entry in fields(Settings)
}
"""The declaration of each setting, in the order of the widgets of GPENSavePreset."""


def settings_of(group: Group) -> tuple[Setting, ...]:
    """The settings of one group."""
    return tuple(setting for setting in SETTINGS.values() if setting.group == group)


def change_settings(settings: Settings, changes: dict[str, Any]) -> Settings:
    """Copy `settings` with some fields changed.

    Raises:
        SettingsError: a field does not exist, or its value is of the wrong type or out of range.
    """
    require_known("setting", changes, SETTINGS.keys() | {"landmarks68"})
    return replace(settings, **changes)


def changed_settings(settings: Settings) -> dict[str, Any]:
    """The settings that are not at their defaults."""
    values = {name: getattr(settings, name) for name in SETTINGS}
    return {name: value for name, value in values.items() if value != SETTINGS[name].default}


def value_in_words(value: bool | int | float | str) -> str:
    """The value of a setting as readable text."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)

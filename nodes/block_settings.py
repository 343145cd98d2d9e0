"""Widgets of the blocks that are settings of the chain, and how they differ from the declaration.

A widget has the range, choices, help and default of its setting. Another default is given here with a reason.
GPENSavePreset and GPENSettings have a widget for every setting; only differences are listed here. Other widgets are
described in their blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..gpen.settings import GROUPS, SETTINGS, Setting

SAVE_PRESET = "GPENSavePreset"
ALL_SETTINGS = "GPENSettings"
FIRST_SETTINGS = 34
"""GPENSettings began with this many settings and its widget `reset`. Settings that came later go behind these, since
saved workflows identify widgets by position."""


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A setting as a widget of a block.

    Attributes:
        setting: name of the setting.
        default: default of the widget, if different.
        reason: why it is different, in English and Chinese, as for the texts below.
        more: a sentence to append to the help of the setting.
        without: choices that the block does not offer.
        on: for a switch that represents a setting with choices: the choice when it is on.
        label: label of the widget, if its id is unclear.
        optional: whether workflows saved without this widget can run.
        advanced: whether it is among the advanced widgets of the block.
    """

    setting: str
    default: bool | int | float | str | None = None
    reason: tuple[str, str] = ("", "")
    more: tuple[str, str] = ("", "")
    without: tuple[str, ...] = ()
    on: str = ""
    label: tuple[str, str] = ("", "")
    optional: bool = False
    advanced: bool = False

    @property
    def declaration(self) -> Setting:
        """The setting of this widget."""
        return SETTINGS[self.setting]

    @property
    def tooltip(self) -> str:
        """The help of the setting and the addition of this block."""
        return f"{self.declaration.help} {self.more[0]}".strip()

    @property
    def shown_default(self) -> bool | int | float | str:
        """Value of the widget in a new block."""
        return self.declaration.default if self.default is None else self.default


_BY_PART = ("Needs the alignment.", "需要连接对齐信息。")
# A user who adds such a block to a workflow wants its effect.
_ADDED_FOR_IT = ("the block is added for this effect", "添加该节点就是为了此效果")

_WIDGETS: dict[str, dict[str, Widget]] = {
    "GPENDetectFaces": {
        "score_threshold": Widget(
            setting="score_threshold",
            more=("A lower value finds more faces, but also more false ones.", "值越低，找到的人脸越多，误检也越多。"),
        ),
        "min_face_size": Widget(setting="min_face_size"),
        "max_faces": Widget(setting="max_faces", more=("Here sorted by confidence.", "此处按置信度排序。")),
        "rotated": Widget(setting="rotated"),
    },
    "GPENSelectFaces": {
        "order": Widget(
            setting="order",
            default="largest",
            reason=(
                "users choose faces by eye, and see sizes but not scores",
                "选择人脸靠肉眼，看得到大小，看不到置信度",
            ),
            more=(
                "Presets and the command gpen number by score unless they say otherwise.",
                "预设和 gpen 命令在未另行指定时按 score 编号。",
            ),
        )
    },
    "GPENRestoreFaces": {
        "strength": Widget(setting="strength"),
        "keep_grayscale": Widget(setting="keep_grayscale"),
        "colour": Widget(setting="colour", optional=True),
    },
    "GPENFrequencyBlend": {
        "middle_gain": Widget(setting="middle_gain"),
        "high_gain": Widget(setting="high_gain"),
        "deblur": Widget(setting="deblur"),
        "keep_grayscale": Widget(setting="keep_grayscale"),
        **{name: Widget(setting=name, more=_BY_PART) for name in ("eyes_gain", "lips_gain", "skin_gain", "hair_gain")},
        "colour": Widget(setting="colour", optional=True),
        "denoise": Widget(setting="denoise", optional=True),
    },
    "GPENLocalAdaptiveEnhance": {
        "strength": Widget(setting="local_enhance", default=0.6, reason=_ADDED_FOR_IT),
        **{part: Widget(setting=f"enhance_{part}") for part in ("eyes", "lips", "cheeks", "hairline")},
    },
    "GPENPasteFaces": {
        "mask_mode": Widget(setting="mask_mode"),
        "feather": Widget(setting="feather"),
        "color_match": Widget(setting="color_match"),
        "match_grain": Widget(setting="match_grain"),
        "strength": Widget(setting="strength"),
        "denoise": Widget(
            setting="denoise",
            more=(
                "Here: noise finer than the crop, in faces larger than the crop.",
                "此处仅针对尺寸大于裁剪图的人脸中、比裁剪图更细的噪声。",
            ),
            optional=True,
        ),
    },
    "GPENPrepareImage": {
        "white_balance": Widget(setting="white_balance"),
        "deblock": Widget(setting="deblock", default=0.5, reason=_ADDED_FOR_IT),
        "exposure": Widget(
            setting="exposure", default=0.5, reason=_ADDED_FOR_IT, more=("Needs faces.", "需要连接人脸。")
        ),
        "levels": Widget(setting="levels"),
    },
    "GPENFinish": {
        "sigma": Widget(setting="finish_sigma", default=0.6, reason=_ADDED_FOR_IT),
        "mix": Widget(setting="finish_mix"),
        "match_grain": Widget(
            setting="match_grain",
            default=0.5,
            reason=_ADDED_FOR_IT,
            more=("Needs the reference.", "需要连接参考图。"),
        ),
    },
    SAVE_PRESET: {
        # The setting was a switch; saved workflows use this name for its widget.
        "landmarks68": Widget(
            setting="landmark_network",
            on="wflw",
            label=("98-point landmarks", "98 点关键点"),
            more=("On: wflw; off: bundled.", "开启：wflw；关闭：bundled。"),
        )
    },
}


def setting_widgets(node_id: str) -> dict[str, Widget]:
    """The widgets of a block that are settings, by id. Those of GPENSavePreset and GPENSettings are in order."""
    own = _WIDGETS.get(node_id, {})
    if node_id == ALL_SETTINGS:
        return {
            name: Widget(setting=name, optional=True, advanced=SETTINGS[name].rare) for name in _in_order_of_the_chain()
        }
    if node_id != SAVE_PRESET:
        return own
    ids = {widget.setting: widget_id for widget_id, widget in own.items()}
    every = ((ids.get(name, name), Widget(setting=name, optional=one.late)) for name, one in SETTINGS.items())
    return {widget_id: own.get(widget_id, plain) for widget_id, plain in every}


def _in_order_of_the_chain() -> list[str]:
    names, groups = list(SETTINGS), list(GROUPS)
    first = sorted(names[:FIRST_SETTINGS], key=lambda name: groups.index(SETTINGS[name].group))
    return first + names[FIRST_SETTINGS:]


BLOCKS = (*_WIDGETS, ALL_SETTINGS)
"""The blocks with settings."""

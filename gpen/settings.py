"""What the chain can be told: every setting once, with its default, range and meaning."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, get_args

from .errors import SettingsError
from .faces.masks import MaskMode
from .faces.paste import ColorMatch
from .faces.select import FaceOrder
from .photograph.prepare import WhiteBalance
from .pixels.tone import Colour


def _number(default: float, low: float, high: float, meaning: str) -> Any:
    return field(default=default, metadata={"range": (low, high), "meaning": meaning})


def _choice(default: str, choices: object, meaning: str) -> Any:
    return field(default=default, metadata={"choices": get_args(choices), "meaning": meaning})


def _switch(default: bool, meaning: str) -> Any:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """Everything the chain can be told.

    Each field is checked against its range or its choices, which its metadata hold together with its `meaning`.
    """

    score_threshold: float = _number(0.0, 0.0, 1.0, "The least confidence of a face; 0: what suits the detector.")
    min_face_size: int = _number(
        0, 0, 100_000, "The least larger side of a face's box, in pixels; 0: 16, or more in large pictures."
    )
    max_faces: int = _number(0, 0, 10_000, "At most so many faces of an image are restored; 0 restores all.")
    order: FaceOrder = _choice("score", FaceOrder, "Which faces come first, where max_faces or indices choose.")
    rotated: bool = _switch(False, "Also look for heads on their side or upside down (four times the search).")
    white_balance: WhiteBalance = _choice("none", WhiteBalance, "How a colour cast of the whole picture is taken off.")
    deblock: float = _number(0.0, 0.0, 1.0, "How much the edges of JPEG's blocks are softened, in the whole picture.")
    exposure: float = _number(0.0, 0.0, 1.0, "How much the shadows of faces against the light are lifted.")
    frequency_blend: float = _number(
        1.0, 0.0, 1.0, "1 takes from the network only what is finer than the photograph's own detail; 0 all of it."
    )
    deblur: float = _number(
        0.5, 0.0, 1.0, "With frequency_blend: how much contrast the photograph's blur has taken is given back."
    )
    local_enhance: float = _number(0.0, 0.0, 2.0, "How much weak but credible detail is raised.")
    strength: float = _number(1.0, 0.0, 1.0, "0 leaves the photograph as it is, 1 is the network's answer.")
    keep_grayscale: bool = _switch(True, "A black-and-white or toned face stays so, where colour is auto.")
    mask_mode: MaskMode = _choice("landmarks", MaskMode, "Shape of the paste mask.")
    feather: float = _number(0.1, 0.0, 0.5, "Width of the mask's soft edge as a share of the crop's side.")
    color_match: ColorMatch = _choice(
        "low_band", ColorMatch, "How the restored crop is brought back to the photograph's colours."
    )
    match_grain: float = _number(
        0.0, 0.0, 1.0, "How much of the photograph's own grain is laid over the restored face."
    )
    finish_sigma: float = _number(0.0, 0.0, 8.0, "Deviation in pixels of a last, light blur of the faces; 0 for none.")
    finish_mix: float = _number(0.2, 0.0, 1.0, "Share of that blur.")
    landmarks68: bool = _switch(
        False, "Find the 68 landmarks with the 98-point network, where its file is here, not with the bundled one."
    )
    levels: float = _number(0.0, 0.0, 1.0, "How far a faded picture gets its black and white back, the whole of it.")
    colour: Colour = _choice(
        "auto",
        Colour,
        "auto judges for each face whether it is black and white or toned, and keeps it so; keep leaves colours as "
        "they come; grey keeps the tone whatever is judged.",
    )
    focus: bool = _switch(False, "Faces much smaller or much less sharp than the main ones are left alone.")
    denoise: float = _number(
        0.5, 0.0, 1.0, "How much noise is taken out where the photograph's own detail stays; 0 keeps all grain."
    )

    @property
    def prepares(self) -> bool:
        """Whether whole pictures are changed before their faces are restored."""
        return self.white_balance != "none" or self.deblock > 0 or self.exposure > 0 or self.levels > 0

    def __post_init__(self) -> None:
        for entry in fields(self):
            object.__setattr__(self, entry.name, _checked(entry, getattr(self, entry.name)))


def _checked(entry: Any, value: object) -> object:
    kind = type(entry.default)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise SettingsError(f"{entry.name} is {value!r}, and must be of type {kind.__name__}.")
    if "choices" in entry.metadata and value not in entry.metadata["choices"]:
        raise SettingsError(f"{entry.name} is {value!r}; choose from {', '.join(entry.metadata['choices'])}.")
    if "range" in entry.metadata:
        low, high = entry.metadata["range"]
        if not low <= value <= high:  # type: ignore[operator]
            raise SettingsError(f"{entry.name} is {value}, and must lie between {low} and {high}.")
    return value

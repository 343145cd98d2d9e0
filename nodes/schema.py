"""The wires between the blocks, and how a block is described to ComfyUI.

GPEN_MODEL, GPEN_FACE_DETECTOR: `placement.ModelHandle`
    loaded: the engine's `LoadedModel`; the same object for every block that asks for the same file.
    patcher: ComfyUI's ModelPatcher around its module.
    workspace: bytes the model takes beside its weights while it runs.
GPEN_FACES: `gpen.types.Faces`
    faces: a tuple of `Face`, each with `box` (x0, y0, x1, y1) in pixels, `score` 0..1, `landmarks` 5 x 2 (x, y) in
        pixels, `image_index`, and `landmarks68` 68 x 2 or None.
    sizes: the (height, width) of every image of the batch, also of those without a face.
GPEN_ALIGNMENT: a tuple of `gpen.types.Alignment`, one for each crop
    matrix: 2 x 3, points of the image to points of the crop.
    template, crop_size: which landmark template the crop is for, and its side in pixels when it was cut.
    image_size, face: the (height, width) of its image, and the face it shows.
GPEN_PRESET: `gpen.presets.Preset`
    name, description: text.
    settings: a `Settings`, which says what each of its fields means.
BOUNDING_BOX, FACE_LANDMARKS: core's own; see `core_faces.py`.

All of them are immutable or treated so: ComfyUI keeps outputs and hands them to several blocks.
"""

from __future__ import annotations

from typing import Any, get_args

from comfy_api.latest import io

from ..gpen.pixels.tone import Colour

Model = io.Custom("GPEN_MODEL")
FaceDetector = io.Custom("GPEN_FACE_DETECTOR")
FacesWire = io.Custom("GPEN_FACES")
AlignmentWire = io.Custom("GPEN_ALIGNMENT")
PresetWire = io.Custom("GPEN_PRESET")
# Core's own types, by name: not every ComfyUI has classes for them.
BoundingBox = io.Custom("BOUNDING_BOX")
FaceLandmarks = io.Custom("FACE_LANDMARKS")

CATEGORY = "GPEN Blocks"


def describe(**schema: Any) -> io.Schema:
    """A schema in this package's category; fields that this ComfyUI is too old to know are left out."""
    known = io.Schema.__dataclass_fields__
    return io.Schema(**{"category": CATEGORY, **{name: value for name, value in schema.items() if name in known}})


def unit_slider(name: str, default: float, tooltip: str, high: float = 1.0, optional: bool = False) -> Any:
    """A number from 0 to `high` as a slider."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=high,
        step=0.01,
        display_mode=io.NumberDisplay.slider,
        tooltip=tooltip,
        optional=optional,
    )


def colour_choice() -> Any:
    """What is done about colour; optional, since `keep_grayscale` came before it, and last for the same reason."""
    return io.Combo.Input(
        "colour",
        options=list(get_args(Colour)),
        default="auto",
        optional=True,
        tooltip="auto: as keep_grayscale says; keep: colours as they come; grey: the tone stays whatever is judged.",
    )


__all__ = [
    "AlignmentWire",
    "BoundingBox",
    "FaceDetector",
    "FaceLandmarks",
    "FacesWire",
    "Model",
    "PresetWire",
    "colour_choice",
    "describe",
    "unit_slider",
]

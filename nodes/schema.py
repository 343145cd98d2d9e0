"""Socket types of the blocks, and helpers for their schemas.

GPEN_MODEL, GPEN_FACE_DETECTOR, GPEN_FACE_PARSER: `placement.ModelHandle`
    loaded: the engine's `LoadedModel`; the same object for every block that loads the same file.
    patcher: ComfyUI's ModelPatcher of its module.
    workspace: bytes that the model needs while running, without its weights.
GPEN_FACES: `gpen.types.Faces`
    faces: a tuple of `Face`, each with `box` (x0, y0, x1, y1) in pixels, `score` 0..1, `landmarks` 5 x 2 (x, y) in
        pixels, `image_index`, and `landmarks68` 68 x 2 or None.
    sizes: the (height, width) of every image of the batch, including those without a face.
GPEN_ALIGNMENT: a tuple of `gpen.types.Alignment`, one for each crop
    matrix: 2 x 3, maps points of the image to points of the crop.
    template, crop_size: landmark template of the crop, and its original side in pixels.
    image_size, face: the (height, width) of its image, and the face in the crop.
GPEN_PRESET: `gpen.presets.Preset`
    name, description: text; notes: sentences about its file.
    settings: a `Settings`, which documents its fields.
BOUNDING_BOX, FACE_LANDMARKS: ComfyUI's types; see `core_faces.py`.
SEGS: the segments of ComfyUI-Impact-Pack; see `regions.py`.

All are immutable or treated as such, since ComfyUI caches outputs and passes them to several blocks.
"""

from __future__ import annotations

from typing import Any, Literal

from comfy_api.latest import io

from .block_settings import ALL_SETTINGS, SAVE_PRESET, Widget, setting_widgets

Model = io.Custom("GPEN_MODEL")
FaceDetector = io.Custom("GPEN_FACE_DETECTOR")
FaceParserWire = io.Custom("GPEN_FACE_PARSER")
FacesWire = io.Custom("GPEN_FACES")
AlignmentWire = io.Custom("GPEN_ALIGNMENT")
PresetWire = io.Custom("GPEN_PRESET")
# ComfyUI's types by name, since not every version has classes for them.
BoundingBox = io.Custom("BOUNDING_BOX")
FaceLandmarks = io.Custom("FACE_LANDMARKS")
Segments = io.Custom("SEGS")

CATEGORY = "GPEN Blocks"
# Folders within the category. The whole chain lies at its top.
Group = Literal["", "loaders", "faces", "detail", "picture", "redraw", "settings"]
# On a longer slider, a step would be much less than a pixel.
_LONGEST_SLIDER = 4.0


def describe(*, group: Group = "", **schema: Any) -> io.Schema:
    """A schema in a group of this package's category, without fields that this version of ComfyUI does not know."""
    known = io.Schema.__dataclass_fields__
    category = f"{CATEGORY}/{group}" if group else CATEGORY
    return io.Schema(**{"category": category, **{name: value for name, value in schema.items() if name in known}})


def faces_input(tooltip: str, *, optional: bool = False) -> Any:
    """An input for faces of this package or of MediaPipe, see `core_faces.to_faces`."""
    return io.MultiType.Input("faces", types=[FacesWire, FaceLandmarks], optional=optional, tooltip=tooltip)


def regions_input(tooltip: str) -> Any:
    """An optional input for regions that choose faces, see `regions.within`."""
    return io.MultiType.Input(
        "regions",
        types=[io.Mask, BoundingBox, Segments],
        optional=True,
        display_name="only in regions",
        tooltip=tooltip,
        # Newer versions of ComfyUI would make a widget for boxes and send one that nobody drew.
        extra_dict={"forceInput": True},
    )


def area_inputs() -> tuple[Any, Any]:
    """Optional inputs for masks of what may change, see `inputs.require_area`."""
    return (
        io.Mask.Input(
            "only_here",
            optional=True,
            display_name="only here",
            tooltip="Faces change only where this mask is 1: a mask for each image, or one for all.",
        ),
        io.Mask.Input(
            "not_here",
            optional=True,
            display_name="not here",
            tooltip="Faces do not change where this mask is 1, such as at a hand before a face, from any segmentation.",
        ),
    )


def background_input() -> Any:
    """Optional input for enlarged pictures, see `inputs.require_background`."""
    return io.Image.Input(
        "background",
        optional=True,
        tooltip="The same images enlarged 2, 3, 4 ... times, such as by Upscale Image (using Model). Faces are pasted "
        "into these, at their size.",
    )


def preset_inputs() -> tuple[Any, Any]:
    """Optional inputs of whole chains: a preset, and a factor for its strength; see `restore.chosen_preset`."""
    return (
        PresetWire.Input(
            "preset",
            optional=True,
            tooltip="From GPEN Preset or GPEN Settings; not connected: the preset natural.",
        ),
        unit_slider("strength", 1.0, "Factor for the strength of the preset; 0 leaves the faces unchanged."),
    )


def unit_slider(name: str, default: float, tooltip: str) -> Any:
    """A number from 0 to 1 as a slider."""
    return io.Float.Input(
        name,
        default=default,
        min=0.0,
        max=1.0,
        step=0.01,
        display_mode=io.NumberDisplay.slider,
        tooltip=tooltip,
    )


def setting_widget(node_id: str, widget_id: str) -> Any:
    """A widget for a setting of the chain, see `block_settings`."""
    widget = setting_widgets(node_id)[widget_id]
    made = _plain_widget(node_id, widget_id, widget)
    if widget.advanced:
        # Not the argument of that name, which older versions of ComfyUI do not know; their pages do.
        made.extra_dict = {**(made.extra_dict or {}), "advanced": True}
    return made


def _plain_widget(node_id: str, widget_id: str, widget: Widget) -> Any:
    setting = widget.declaration
    common = {"default": widget.shown_default, "tooltip": widget.tooltip, "optional": widget.optional}
    if widget.label[0]:
        common["display_name"] = widget.label[0]
    if widget.on:
        return io.Boolean.Input(widget_id, **{**common, "default": widget.shown_default == widget.on})
    if setting.choices:
        offered = [choice for choice in setting.choices if choice not in widget.without]
        return io.Combo.Input(widget_id, options=offered, **common)
    if setting.range is None:
        return io.Boolean.Input(widget_id, **common)
    low, high = setting.range
    if isinstance(setting.default, int):
        return io.Int.Input(widget_id, min=int(low), max=int(high), **common)
    # Blocks with few widgets have space for sliders; in long lists, numbers are easier to read.
    slider = node_id not in (SAVE_PRESET, ALL_SETTINGS) and high <= _LONGEST_SLIDER
    mode = {"display_mode": io.NumberDisplay.slider} if slider else {}
    return io.Float.Input(widget_id, min=low, max=high, step=0.01, **mode, **common)


__all__ = [
    "AlignmentWire",
    "BoundingBox",
    "FaceDetector",
    "FaceLandmarks",
    "FaceParserWire",
    "FacesWire",
    "Model",
    "PresetWire",
    "describe",
    "faces_input",
    "preset_inputs",
    "regions_input",
    "setting_widget",
    "unit_slider",
]

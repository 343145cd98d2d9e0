"""The block that cuts faces out, upright."""

from __future__ import annotations

from typing import Any, get_args

import torch
from comfy_api.latest import io

from ..gpen.faces.align import Template, align_faces
from ..gpen.types import Faces
from ..gpen.values import require_choice
from . import core_faces
from .convert import to_crops, to_images
from .model_menus import AUTO
from .placement import ModelHandle
from .schema import AlignmentWire, FaceLandmarks, FacesWire, Model, describe

# What is cut where no model says what it wants: the form of GPEN's standard model.
_SIZE, _TEMPLATE = 512, "gpen"


class AlignFaces(io.ComfyNode):
    """Cuts the faces out of their images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENAlignFaces",
            display_name="GPEN Align Faces",
            description="Cuts faces out, upright and of one size. Crops are plain images that other nodes can work on.",
            search_aliases=["crop faces", "face crop", "align face"],
            inputs=[
                io.Image.Input("image", tooltip="The pictures the faces were found on."),
                io.MultiType.Input(
                    "faces",
                    types=[FacesWire, FaceLandmarks],
                    tooltip="From GPEN Detect Faces or GPEN Select Faces.",
                ),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=4096,
                    step=64,
                    tooltip=f"Side of the square crops in pixels; 0 is what the model wants, {_SIZE} without a model.",
                ),
                io.Combo.Input(
                    "template",
                    options=[AUTO, *get_args(Template)],
                    default=AUTO,
                    tooltip="Where eyes, nose and mouth come to lie. Each model wants what it was trained with: "
                    f"auto asks the model, and is {_TEMPLATE} without one.",
                ),
                Model.Input(
                    "gpen_model",
                    optional=True,
                    tooltip="The model the crops are for: says size and template.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "cut",
                    display_name="crops",
                    tooltip="The crops of all images; a black one if there is no face.",
                ),
                AlignmentWire.Output(
                    "alignment",
                    display_name="alignment",
                    tooltip="Where each crop came from, for GPEN Paste Faces.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        faces: Faces | dict[str, Any],
        size: int,
        template: str,
        gpen_model: ModelHandle | None = None,
    ) -> io.NodeOutput:
        require_choice("template", template, [AUTO, *get_args(Template)])
        if gpen_model is not None:
            size = size or gpen_model.loaded.module.config.size
            template = gpen_model.loaded.template if template == AUTO else template
        size, template = size or _SIZE, _TEMPLATE if template == AUTO else template
        crops, alignment = align_faces(to_images(image), core_faces.to_faces(faces), size, template)
        return io.NodeOutput(to_crops(crops, size), alignment)

"""The block that cuts out faces, upright."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import torch
from comfy_api.latest import io

from ..gpen.faces.align import Template, align_faces
from ..gpen.types import Faces
from ..gpen.values import require_choice
from . import core_faces, progress, told
from .convert import to_crops, to_images
from .inputs import require_images_of
from .model_menus import AUTO
from .placement import ModelHandle
from .schema import AlignmentWire, Model, describe, faces_input

# Size and template without a model: those of GPEN's standard model.
_SIZE, _TEMPLATE = 512, "gpen"


class AlignFaces(io.ComfyNode):
    """Cuts faces out of their images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENAlignFaces",
            group="faces",
            display_name="GPEN Align Faces",
            description="Cuts out faces, upright and of the same size. Crops are plain images for any other node.",
            search_aliases=["crop faces", "face crop", "align face"],
            inputs=[
                io.Image.Input("image", tooltip="The images in which the faces were found."),
                faces_input("From GPEN Detect Faces or GPEN Select Faces."),
                io.Int.Input(
                    "size",
                    default=0,
                    min=0,
                    max=4096,
                    step=64,
                    tooltip=f"Side of the square crops in pixels. 0 = the model's size, or {_SIZE} without a model.",
                ),
                io.Combo.Input(
                    "template",
                    options=[AUTO, *get_args(Template)],
                    default=AUTO,
                    tooltip="Position of eyes, nose and mouth in the crop. Each model needs its own: "
                    f"auto = that of the model, or {_TEMPLATE} without a model.",
                ),
                Model.Input(
                    "gpen_model",
                    optional=True,
                    tooltip="The model for these crops; it sets size and template.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "cut",
                    display_name="crops",
                    tooltip="The crops of all images; one black crop if there is no face.",
                ),
                AlignmentWire.Output(
                    "alignment",
                    display_name="alignment",
                    tooltip="The position of each crop, for GPEN Paste Faces.",
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
        images, found = to_images(image), core_faces.to_faces(faces)
        require_images_of(found, images)
        bar = progress.node_progress()
        crops, alignment = align_faces(images, found, size, template, progress=partial(bar, "align"))
        bar.complete()
        progress.say(told.cut(len(alignment)))
        return io.NodeOutput(to_crops(crops, size), alignment)

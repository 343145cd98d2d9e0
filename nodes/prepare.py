"""Blocks for whole pictures: before the faces are restored, and after."""

from __future__ import annotations

from typing import Any, get_args

import torch
from comfy_api.latest import io

from ..gpen.detail.finish import finish
from ..gpen.detail.finish import match_grain as grain_like
from ..gpen.photograph.prepare import WhiteBalance, prepare
from ..gpen.types import Faces
from . import core_faces
from .convert import from_mask, to_images, to_report, with_colours
from .model_menus import require_choice
from .schema import FaceLandmarks, FacesWire, describe, unit_slider


class PrepareImage(io.ComfyNode):
    """White balance, deblocking, and light on faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENPrepareImage",
            display_name="GPEN Prepare Image",
            description="Gives a faded picture its contrast back, takes off a colour cast, softens JPEG's blocks and "
            "lifts faces out of the shade, and tells what it found.",
            search_aliases=["white balance", "jpeg artifacts", "deblock", "backlight", "old photo"],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to prepare."),
                io.Combo.Input(
                    "white_balance",
                    options=list(get_args(WhiteBalance)),
                    # What a picture is full of, such as an orange suit, passes for a cast: for the user to judge.
                    default="none",
                    tooltip="For a plain cast: shades_of_grey judges the light, lab the middle colour. Black and white "
                    "stays as it is.",
                ),
                unit_slider("deblock", 0.5, "How much JPEG's blocks are softened, where there are any."),
                unit_slider(
                    "exposure", 0.5, "How much the shadows of faces against the light are lifted; needs faces."
                ),
                io.MultiType.Input(
                    "faces",
                    types=[FacesWire, FaceLandmarks],
                    optional=True,
                    tooltip="From GPEN Detect Faces.",
                ),
                unit_slider("levels", 0.0, "How far a faded picture gets its black and white back."),
            ],
            outputs=[
                io.Image.Output("prepared", display_name="image", tooltip="The pictures, prepared."),
                io.String.Output("report", display_name="report", tooltip="What was found and done, as JSON."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        white_balance: str,
        deblock: float,
        exposure: float,
        levels: float = 0.0,
        faces: Faces | dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        require_choice("white_balance", white_balance, get_args(WhiteBalance))
        images = to_images(image)
        prepared, reports = prepare(
            images,
            white_balance=white_balance,
            deblock=deblock,
            faces=None if faces is None else core_faces.to_faces(faces),
            exposure=exposure,
            levels=levels,
        )
        return io.NodeOutput(with_colours(image, images, prepared), to_report({"images": reports}))


class Finish(io.ComfyNode):
    """A light blur, and grain."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFinish",
            display_name="GPEN Finish",
            description="Softens lightly, and gives the grain that a reference has. 0.3 and 0.2, the preset "
            "article's, are next to invisible.",
            search_aliases=["film grain", "soften", "blur blend"],
            inputs=[
                io.Image.Input("image", tooltip="The pictures to finish."),
                io.Float.Input(
                    "sigma", default=0.6, min=0.0, max=8.0, step=0.05, tooltip="Deviation of the blur in pixels."
                ),
                unit_slider("mix", 0.2, "Share of the blurred picture."),
                io.Image.Input(
                    "reference", optional=True, tooltip="The pictures before, whose grain is to be matched."
                ),
                unit_slider("match_grain", 0.5, "How much of the missing grain is given; needs the reference."),
                io.Mask.Input("mask", optional=True, tooltip="Only here; from GPEN Paste Faces."),
            ],
            outputs=[io.Image.Output("finished", display_name="image", tooltip="The pictures, finished.")],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        sigma: float,
        mix: float,
        match_grain: float,
        reference: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        images = to_images(image)
        masks = None if mask is None else from_mask(mask, images)
        finished = finish(images, sigma, mix, masks)
        if reference is not None:
            finished = grain_like(finished, to_images(reference), match_grain, masks)
        return io.NodeOutput(with_colours(image, images, finished))

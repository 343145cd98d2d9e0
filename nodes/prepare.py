"""Blocks for whole pictures: before the faces are restored, and after."""

from __future__ import annotations

from typing import Any, get_args

import torch
from comfy_api.latest import io

from ..gpen.choices import WhiteBalance
from ..gpen.detail.finish import finish
from ..gpen.detail.finish import match_grain as grain_like
from ..gpen.photograph.prepare import prepare
from ..gpen.types import Faces
from ..gpen.values import require_choice
from . import core_faces
from .convert import from_mask, to_images, to_report, with_colours
from .schema import FaceLandmarks, FacesWire, describe, setting_widget


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
                *(setting_widget("GPENPrepareImage", name) for name in ("white_balance", "deblock", "exposure")),
                io.MultiType.Input(
                    "faces",
                    types=[FacesWire, FaceLandmarks],
                    optional=True,
                    tooltip="From GPEN Detect Faces.",
                ),
                setting_widget("GPENPrepareImage", "levels"),
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
                setting_widget("GPENFinish", "sigma"),
                setting_widget("GPENFinish", "mix"),
                io.Image.Input(
                    "reference", optional=True, tooltip="The pictures before, whose grain is to be matched."
                ),
                setting_widget("GPENFinish", "match_grain"),
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

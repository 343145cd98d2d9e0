"""Blocks for whole pictures, before and after the faces are restored."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import torch
from comfy_api.latest import io

from ..gpen.choices import WhiteBalance
from ..gpen.detail.finish import finish_with_grain
from ..gpen.photograph.prepare import prepare
from ..gpen.types import Faces
from ..gpen.values import require_choice
from . import core_faces, progress
from .convert import from_mask, to_images, to_report, with_colours
from .inputs import require_fit, require_images_of
from .schema import describe, faces_input, setting_widget


class PrepareImage(io.ComfyNode):
    """Corrects contrast, white balance, JPEG blocks and the exposure of faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENPrepareImage",
            group="picture",
            display_name="GPEN Prepare Image",
            description="Restores the contrast of faded pictures, removes a colour cast, smooths JPEG blocks and "
            "brightens backlit faces. Reports what it found.",
            search_aliases=["white balance", "jpeg artifacts", "deblock", "backlight", "old photo"],
            inputs=[
                io.Image.Input("image", tooltip="The images to prepare."),
                *(setting_widget("GPENPrepareImage", name) for name in ("white_balance", "deblock", "exposure")),
                faces_input("From GPEN Detect Faces.", optional=True),
                setting_widget("GPENPrepareImage", "levels"),
            ],
            outputs=[
                io.Image.Output("prepared", display_name="image", tooltip="The prepared images."),
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
        found = None if faces is None else core_faces.to_faces(faces)
        if found is not None:
            require_images_of(found, images)
        bar = progress.node_progress()
        prepared, reports = prepare(
            images,
            white_balance=white_balance,
            deblock=deblock,
            faces=found,
            exposure=exposure,
            levels=levels,
            progress=partial(bar, "prepare"),
        )
        result = with_colours(image, images, prepared)
        bar.complete()
        return io.NodeOutput(result, to_report({"images": reports}))


class Finish(io.ComfyNode):
    """Adds a light blur and grain."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFinish",
            group="picture",
            display_name="GPEN Finish",
            description="Softens lightly and adds the grain of a reference. 0.3 and 0.2, as in the preset "
            "article, are almost invisible.",
            search_aliases=["film grain", "soften", "blur blend"],
            inputs=[
                io.Image.Input("image", tooltip="The images to finish."),
                setting_widget("GPENFinish", "sigma"),
                setting_widget("GPENFinish", "mix"),
                io.Image.Input(
                    "reference", optional=True, tooltip="The images before the restoration, whose grain is matched."
                ),
                setting_widget("GPENFinish", "match_grain"),
                io.Mask.Input("mask", optional=True, tooltip="Limits the change to this area; from GPEN Paste Faces."),
            ],
            outputs=[io.Image.Output("finished", display_name="image", tooltip="The finished images.")],
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
        references = None if reference is None else to_images(reference, "reference")
        if references is not None:
            require_fit("reference", references, "image", images)
        bar = progress.node_progress()
        finished = finish_with_grain(
            images, sigma, mix, masks, reference=references, grain=match_grain, progress=partial(bar, "finish")
        )
        result = with_colours(image, images, finished)
        bar.complete()
        return io.NodeOutput(result)

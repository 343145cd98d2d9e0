"""The block that pastes crops back."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..gpen.faces.masks.paste_masks import draw_masks
from ..gpen.faces.paste import paste_faces
from ..gpen.settings import Settings
from ..gpen.types import Alignment
from . import progress
from .block_settings import setting_widgets
from .convert import to_images, to_mask, with_colours
from .schema import AlignmentWire, describe, setting_widget


class PasteFaces(io.ComfyNode):
    """Pastes crops into their images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENPasteFaces",
            display_name="GPEN Paste Faces",
            description="Pastes crops back into their images. Pixels outside the mask do not change.",
            search_aliases=["paste back", "uncrop faces", "blend faces"],
            inputs=[
                io.Image.Input("image", tooltip="The images from which the crops were cut."),
                io.Image.Input("crops", tooltip="The crops, in their original order. Their size may have changed."),
                AlignmentWire.Input("alignment", tooltip="From GPEN Align Faces."),
                *(setting_widget("GPENPasteFaces", name) for name in setting_widgets("GPENPasteFaces")),
            ],
            outputs=[
                io.Image.Output("pasted", display_name="image", tooltip="The images with the pasted crops."),
                io.Mask.Output("mask", display_name="mask", tooltip="The pasted area."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        crops: torch.Tensor,
        alignment: tuple[Alignment, ...],
        mask_mode: str,
        feather: float,
        color_match: str,
        match_grain: float,
        strength: float,
        denoise: float = Settings().denoise,
    ) -> io.NodeOutput:
        images = to_images(image)
        # Without a face the only crop is a black placeholder, which is not pasted; see `convert.to_crops`.
        own = to_images(crops) if alignment else images.new_zeros((0, 3, 1, 1))
        masks, faults = draw_masks(alignment, own.shape[-1], mask_mode, feather)
        for index, fault in enumerate(faults):
            if fault:
                progress.say(f"GPEN Paste Faces skips crop {index}: {fault}.")
        result, mask = paste_faces(
            images,
            own,
            alignment,
            masks=masks,
            color_match=color_match,
            match_grain=match_grain,
            strength=strength,
            denoise=denoise,
        )
        return io.NodeOutput(with_colours(image, images, result), to_mask(mask))

"""The block that pastes crops back."""

from __future__ import annotations

from functools import partial
from typing import get_args

import torch
from comfy_api.latest import io

from ..gpen.choices import MaskMode
from ..gpen.models import has_parser
from ..gpen.settings import Settings
from ..gpen.stages import paste_crops
from ..gpen.types import Alignment
from . import placement, progress, told
from .block_settings import setting_widgets
from .convert import to_images, to_mask, with_colours
from .inputs import require_area, require_background, require_crops_of, require_images_of_crops
from .placement import ModelHandle
from .schema import AlignmentWire, FaceParserWire, area_inputs, background_input, describe, setting_widget

_NOT_CONNECTED = object()


class PasteFaces(io.ComfyNode):
    """Pastes crops into their images."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENPasteFaces",
            group="faces",
            display_name="GPEN Paste Faces",
            description="Pastes crops back into their images. Pixels outside the mask do not change.",
            search_aliases=["paste back", "uncrop faces", "blend faces"],
            inputs=[
                io.Image.Input("image", tooltip="The images from which the crops were cut."),
                io.Image.Input("crops", tooltip="The crops, in their original order. Their size may have changed."),
                AlignmentWire.Input("alignment", tooltip="From GPEN Align Faces."),
                *(setting_widget("GPENPasteFaces", name) for name in setting_widgets("GPENPasteFaces")),
                FaceParserWire.Input(
                    "face_parser",
                    optional=True,
                    tooltip="From GPEN Load Face Parser, for the mask_mode parsing. Not connected: the best one here.",
                ),
                *area_inputs(),
                background_input(),
            ],
            outputs=[
                io.Image.Output("pasted", display_name="image", tooltip="The images with the pasted crops."),
                io.Mask.Output(
                    "mask", display_name="paste_mask", tooltip="1 where crops were pasted, soft at the edges."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, mask_mode: str | None, face_parser: object = _NOT_CONNECTED) -> bool | str:
        # None is the value of a connected input, which is not known yet. An input that is named here is not compared
        # with its menu.
        if mask_mode is not None and mask_mode not in get_args(MaskMode):
            return f"There is no mask_mode {mask_mode!r}; choose from {', '.join(get_args(MaskMode))}."
        if mask_mode == "parsing" and face_parser is _NOT_CONNECTED and not has_parser():
            return placement.NO_PARSER
        return True

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
        face_parser: ModelHandle | None = None,
        only_here: torch.Tensor | None = None,
        not_here: torch.Tensor | None = None,
        background: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        images = to_images(image)
        ground = None if background is None else to_images(background, "background")
        if ground is not None:
            require_background(ground, images)
        # Without a face the only crop is a black placeholder, which is not pasted; see `convert.to_crops`.
        own = to_images(crops, "crops") if alignment else images.new_zeros((0, 3, 1, 1))
        require_crops_of(alignment, own)
        require_images_of_crops(alignment, images)
        parser = placement.ready_parser(mask_mode, face_parser)
        bar = progress.node_progress()
        pasted = paste_crops(
            images,
            own,
            alignment,
            mask_mode=mask_mode,
            feather=feather,
            parser=parser,
            area=require_area(only_here, not_here, images),
            background=ground,
            color_match=color_match,
            match_grain=match_grain,
            strength=strength,
            denoise=denoise,
            progress=partial(bar, "paste"),
        )
        progress.say(*pasted.notes, told.pasted(pasted.faults))
        shown = (image, images) if background is None or ground is None else (background, ground)
        result = with_colours(*shown, pasted.images)
        bar.complete()
        return io.NodeOutput(result, to_mask(pasted.mask))

"""Blocks that shape the detail of restored crops."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from comfy_api.latest import io

from ..gpen.detail.bands import blend
from ..gpen.detail.local_adaptive import enhance
from ..gpen.faces.landmarks.find import find_in_crops
from ..gpen.faces.masks.parts import Part, crop_landmarks, part_gains, template_landmarks
from ..gpen.progress import Progress
from ..gpen.settings import Settings
from ..gpen.types import Alignment
from ..gpen.wording import count
from . import placement, progress, told
from .block_settings import setting_widgets
from .convert import to_image, to_images
from .inputs import require_crops_of, require_fit, require_square
from .schema import AlignmentWire, describe, setting_widget

_SHARES = {"landmarks": 1, "shape": 4}


class FrequencyBlend(io.ComfyNode):
    """Combines the low band of one picture with the detail of another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFrequencyBlend",
            group="detail",
            display_name="GPEN Frequency Blend",
            description="Keeps the base's own content, light, colour and shape, and adds finer detail from the other.",
            search_aliases=["frequency separation", "wavelet color fix", "detail transfer", "natural look"],
            inputs=[
                # First, since it is what ComfyUI passes on when the block is bypassed.
                io.Image.Input("detail", tooltip="The crops after, from GPEN Restore Crops."),
                io.Image.Input("base", tooltip="The crops before, from GPEN Align Faces. Resized if the sizes differ."),
                io.Float.Input(
                    "cutoff",
                    default=0.0,
                    min=0.0,
                    max=0.5,
                    step=0.005,
                    tooltip="Boundary of the two in cycles per pixel. 0 = measured per crop, 0.5 = only the base.",
                ),
                *(
                    setting_widget("GPENFrequencyBlend", name)
                    for name in ("middle_gain", "high_gain", "deblur", "keep_grayscale")
                ),
                AlignmentWire.Input(
                    "alignment", optional=True, tooltip="From GPEN Align Faces; needed for the gains of parts."
                ),
                *(
                    setting_widget("GPENFrequencyBlend", name)
                    for name in ("eyes_gain", "lips_gain", "skin_gain", "hair_gain", "colour", "denoise")
                ),
            ],
            outputs=[
                io.Image.Output("blended", display_name="crops", tooltip="The blended crops, at the size of detail.")
            ],
        )

    @classmethod
    def execute(
        cls,
        detail: torch.Tensor,
        base: torch.Tensor,
        cutoff: float,
        middle_gain: float,
        high_gain: float,
        deblur: float,
        keep_grayscale: bool,
        eyes_gain: float,
        lips_gain: float,
        skin_gain: float,
        hair_gain: float,
        alignment: tuple[Alignment, ...] = (),
        colour: str = "auto",
        denoise: float = Settings().denoise,
    ) -> io.NodeOutput:
        bases, crops = to_images(base, "base"), to_images(detail, "detail")
        require_fit("base", bases, "detail", crops, size=False)
        parts: dict[Part, float] = {"eyes": eyes_gain, "lips": lips_gain, "skin": skin_gain, "hair": hair_gain}
        bar = progress.node_progress(_SHARES)
        landmarks = _landmarks("detail", crops, alignment, bar) if alignment else None
        blended = blend(
            bases,
            crops,
            cutoff or None,
            middle_gain=middle_gain,
            high_gain=high_gain,
            part_gain=None if landmarks is None else part_gains(landmarks, crops.shape[-1], parts),
            deblur=deblur,
            keep_grayscale=keep_grayscale,
            colour=colour,
            denoise=denoise,
            progress=partial(bar, "shape"),
        )
        bar.complete()
        progress.say(told.other_crops(crops, bases), otherwise=f"{count(len(crops), 'crop')} blended.")
        return io.NodeOutput(to_image(blended))


class LocalAdaptiveEnhance(io.ComfyNode):
    """Enhances weak but credible detail."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENLocalAdaptiveEnhance",
            group="detail",
            display_name="GPEN Local Adaptive Enhance",
            description="Enhances weak but credible detail. Edges, highlights and noise do not change.",
            search_aliases=["sharpen face", "detail enhance", "local contrast", "unsharp mask"],
            inputs=[
                io.Image.Input("crops", tooltip="Square face crops, from GPEN Restore Crops or GPEN Frequency Blend."),
                *(
                    setting_widget("GPENLocalAdaptiveEnhance", name)
                    for name in setting_widgets("GPENLocalAdaptiveEnhance")
                ),
                AlignmentWire.Input(
                    "alignment", optional=True, tooltip="From GPEN Align Faces; gives the position of eyes and lips."
                ),
            ],
            outputs=[
                io.Image.Output("enhanced", display_name="crops", tooltip="The enhanced crops."),
                io.Mask.Output("gain", display_name="gain", tooltip="Where and how much detail was enhanced."),
            ],
        )

    @classmethod
    def execute(
        cls,
        crops: torch.Tensor,
        strength: float,
        eyes: float,
        lips: float,
        cheeks: float,
        hairline: float,
        alignment: tuple[Alignment, ...] = (),
    ) -> io.NodeOutput:
        images = to_images(crops, "crops")
        bar = progress.node_progress(_SHARES)
        enhanced, gain = enhance(
            images,
            strength,
            _landmarks("crops", images, alignment, bar),
            part_strengths={"eyes": eyes, "lips": lips, "cheeks": cheeks, "hairline": hairline},
            progress=partial(bar, "shape"),
        )
        bar.complete()
        return io.NodeOutput(to_image(enhanced), gain.clamp_(0, 1))


def _landmarks(name: str, crops: torch.Tensor, alignment: tuple[Alignment, ...], bar: Progress) -> np.ndarray:
    """The 68 landmarks of each crop: those of its face, else found in the crop from the five of alignment or template.

    Raises:
        ImageError: the crops do not belong to the alignment.
    """
    require_square(name, crops)
    if alignment:
        require_crops_of(alignment, crops, name)
    size = crops.shape[-1]
    points = crop_landmarks(alignment, size) if alignment else template_landmarks(len(crops), size)
    if points.shape[1] == 68:
        return points
    return find_in_crops(placement.ready_landmarker(), crops, points, progress=partial(bar, "landmarks"))

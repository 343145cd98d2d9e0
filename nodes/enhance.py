"""Blocks that shape the detail of restored crops."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ..gpen.detail.bands import blend
from ..gpen.detail.local_adaptive import PART_STRENGTHS, enhance
from ..gpen.errors import ImageError
from ..gpen.faces.landmarks.find import find_in_crops
from ..gpen.faces.masks.parts import Part, crop_landmarks, part_gains, template_landmarks
from ..gpen.settings import Settings
from ..gpen.types import Alignment
from ..gpen.wording import agree
from ..gpen.wording import count as counted
from . import placement
from .convert import to_image, to_images
from .schema import AlignmentWire, describe, setting_widget, unit_slider

_GAIN = 4.0
_PART_TOOLTIPS: dict[Part, str] = {
    "eyes": "How much of the strength eyes and brows get.",
    "lips": "How much of the strength the lips get.",
    "cheeks": "How much of the strength the cheekbones get.",
    "hairline": "How much of the strength the band between forehead and hair gets.",
}


class FrequencyBlend(io.ComfyNode):
    """Low band from one picture, detail from another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFrequencyBlend",
            display_name="GPEN Frequency Blend",
            description="The base keeps what it truly shows, light, colour and shape; detail gives what is finer.",
            search_aliases=["frequency separation", "wavelet color fix", "detail transfer", "natural look"],
            inputs=[
                io.Image.Input("base", tooltip="The crops before: from GPEN Align Faces. Resized where they differ."),
                io.Image.Input("detail", tooltip="The crops after: from GPEN Restore Faces."),
                io.Float.Input(
                    "cutoff",
                    default=0.0,
                    min=0.0,
                    max=0.5,
                    step=0.005,
                    tooltip="Where the two meet, in cycles per pixel: 0 measures it for each crop, 0.5 keeps the base.",
                ),
                unit_slider(
                    "middle_gain", 1.0, "Detail from the cut-off to three times it: lids, lips, wrinkles.", high=_GAIN
                ),
                unit_slider("high_gain", 1.0, "Detail finer than that: hair, pores.", high=_GAIN),
                setting_widget("GPENFrequencyBlend", "deblur"),
                setting_widget("GPENFrequencyBlend", "keep_grayscale"),
                AlignmentWire.Input(
                    "alignment", optional=True, tooltip="From GPEN Align Faces, for the gains of parts."
                ),
                unit_slider("eyes_gain", 1.0, "Detail of the eyes; parts need the alignment.", high=_GAIN),
                unit_slider("lips_gain", 1.0, "Detail of the lips.", high=_GAIN),
                unit_slider("skin_gain", 1.0, "Detail of the skin.", high=_GAIN),
                unit_slider("hair_gain", 1.0, "Detail of the hair.", high=_GAIN),
                setting_widget("GPENFrequencyBlend", "colour"),
                setting_widget("GPENFrequencyBlend", "denoise"),
            ],
            outputs=[
                io.Image.Output("blended", display_name="image", tooltip="The crops blended, as large as detail.")
            ],
        )

    @classmethod
    def execute(
        cls,
        base: torch.Tensor,
        detail: torch.Tensor,
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
        crops = to_images(detail)
        parts: dict[Part, float] = {"eyes": eyes_gain, "lips": lips_gain, "skin": skin_gain, "hair": hair_gain}
        landmarks = _landmarks(crops, alignment) if alignment else None
        blended = blend(
            to_images(base),
            crops,
            cutoff or None,
            middle_gain=middle_gain,
            high_gain=high_gain,
            part_gain=None if landmarks is None else part_gains(landmarks, crops.shape[-1], parts),
            deblur=deblur,
            keep_grayscale=keep_grayscale,
            colour=colour,
            denoise=denoise,
        )
        return io.NodeOutput(to_image(blended))


class LocalAdaptiveEnhance(io.ComfyNode):
    """Raises weak but credible detail."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        strengths = [unit_slider(part, value, _PART_TOOLTIPS[part]) for part, value in PART_STRENGTHS.items()]
        return describe(
            node_id="GPENLocalAdaptiveEnhance",
            display_name="GPEN Local Adaptive Enhance",
            description="Raises detail where it is weak but credible; edges, highlights and noise stay as they are.",
            search_aliases=["sharpen face", "detail enhance", "local contrast", "unsharp mask"],
            inputs=[
                io.Image.Input("crops", tooltip="Square face crops, from GPEN Restore Faces or GPEN Frequency Blend."),
                setting_widget("GPENLocalAdaptiveEnhance", "strength"),
                *strengths,
                AlignmentWire.Input(
                    "alignment", optional=True, tooltip="From GPEN Align Faces: where eyes and lips are."
                ),
            ],
            outputs=[
                io.Image.Output("enhanced", display_name="crops", tooltip="The crops, enhanced."),
                io.Mask.Output("gain", display_name="gain", tooltip="Where and how much was raised."),
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
        images = to_images(crops)
        enhanced, gain = enhance(
            images,
            strength,
            _landmarks(images, alignment),
            part_strengths={"eyes": eyes, "lips": lips, "cheeks": cheeks, "hairline": hairline},
        )
        return io.NodeOutput(to_image(enhanced), gain.clamp(0, 1))


def _landmarks(crops: torch.Tensor, alignment: tuple[Alignment, ...]) -> np.ndarray:
    """The 68 landmarks of each crop: its face's own, else found in it, about where alignment or template has the five.

    Raises:
        ImageError: the crops are not those of the alignment.
    """
    count, _, height, width = crops.shape
    if height != width or len(alignment) not in (0, count):
        raise ImageError(
            f"{counted(count, 'crop')} of {width} x {height} came with the alignment of {len(alignment)} square "
            f"{agree(len(alignment), 'one', 'ones')}; connect the alignment of just these crops, or none."
        )
    points = crop_landmarks(alignment, width) if alignment else template_landmarks(count, width)
    return points if points.shape[1] == 68 else find_in_crops(placement.ready_landmarker(), crops, points)

"""Blocks that propose scratches and fill in what a mask covers."""

from __future__ import annotations

from functools import partial
from typing import get_args

import torch
from comfy_api.latest import io

from ..gpen.choices import Elsewhere
from ..gpen.progress import Progress, each
from ..gpen.redraw import RedrawnPixels, inpaint_pixels, scratches_in, where_covered
from ..gpen.settings import Settings
from ..gpen.stages import find_faces
from ..gpen.tasks import INPAINTING
from . import placement, progress, told
from .convert import from_mask, to_images
from .inputs import fault_of_indices, require_image
from .placement import ModelHandle
from .redraw import indices_input, redraw_batch, redrawn_outputs
from .schema import FaceDetector, Model, describe, unit_slider


class ProposeScratches(io.ComfyNode):
    """Proposes a mask of scratches."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENProposeScratches",
            group="redraw",
            display_name="GPEN Propose Scratches",
            description="Proposes a mask of the scratches of old prints: thin, long, straight lines. Look at it, and "
            "correct it with ComfyUI's mask nodes.",
            search_aliases=["scratch detection", "scratch mask", "old photo scratches", "划痕检测", "老照片划痕"],
            inputs=[
                io.Image.Input("image", tooltip="The prints."),
                unit_slider("sensitivity", 0.5, "0 proposes only the plainest scratches, 1 also faint ones."),
            ],
            outputs=[io.Mask.Output("mask", display_name="mask", tooltip="1 where a scratch is proposed.")],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, sensitivity: float) -> io.NodeOutput:
        images, bar = to_images(image).cpu(), progress.node_progress()
        masks = torch.zeros(len(images), *images.shape[-2:])
        detector = placement.ready_detector()
        for (mask, pixels), _ in each(list(zip(masks, images.split(1), strict=True)), partial(bar, "propose")):
            faces = find_faces(pixels, detector, Settings()).selected
            mask.copy_(torch.from_numpy(scratches_in(pixels, faces, sensitivity=sensitivity) > 0))
        bar.complete()
        progress.say(told.proposed([float(mask.mean()) for mask in masks]))
        return io.NodeOutput(masks)


class InpaintFaces(io.ComfyNode):
    """Fills in what a mask covers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENInpaint",
            group="redraw",
            display_name="GPEN Inpaint Faces",
            description="Fills in what a mask covers: faces by the network, the rest by diffusion. Other pixels do not "
            "change.",
            search_aliases=["fill in", "scratch removal", "repair photo", "LaMa", "修补划痕", "老照片修补"],
            inputs=[
                io.Image.Input("image", tooltip="The photographs. A batch keeps its length and size."),
                io.Mask.Input(
                    "mask",
                    tooltip="1 where to fill in, from the mask editor, GPEN Propose Scratches or any other node: a "
                    "mask for each image, or one for all.",
                ),
                FaceDetector.Input("face_detector", tooltip="From GPEN Load Face Detector."),
                io.Combo.Input(
                    "elsewhere",
                    options=list(get_args(Elsewhere)),
                    default="diffuse",
                    tooltip="Covered pixels outside of faces. diffuse: fill them from around; leave: do not change "
                    "them.",
                ),
                Model.Input(
                    "gpen_model",
                    optional=True,
                    tooltip="A model for inpainting, from GPEN Load Model. Not connected: the best one on this "
                    "machine.",
                ),
                indices_input("fill in"),
            ],
            outputs=redrawn_outputs("The images, filled in.", "1 where pixels were filled in."),
        )

    @classmethod
    def validate_inputs(cls, indices: str | None = "") -> bool | str:
        return fault_of_indices(indices) or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        mask: torch.Tensor,
        face_detector: ModelHandle,
        elsewhere: str,
        gpen_model: ModelHandle | None = None,
        indices: str = "",
    ) -> io.NodeOutput:
        images, planes = to_images(image), mask.reshape(-1, *mask.shape[-2:])
        require_image("mask", planes[..., None])
        # A picture without a mask has a small black one in ComfyUI.
        given = from_mask(planes, images).cpu() if planes.any() else torch.zeros(len(images), 1, *images.shape[-2:])
        covered = where_covered(given)
        handle = placement.generator_for(INPAINTING, gpen_model)
        networks = placement.networks_of(handle, face_detector, INPAINTING)

        def fill_in(index: int, pixels: torch.Tensor, steps: Progress) -> RedrawnPixels:
            own = covered[index : index + 1]
            return inpaint_pixels(pixels, own, networks, elsewhere=elsewhere, indices=indices, progress=steps)

        return redraw_batch(image, images, fill_in, networks, "filled", indices)


__all__ = ["InpaintFaces", "ProposeScratches"]

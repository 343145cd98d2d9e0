"""Blocks that redraw faces of photographs: colour them, and fill in what a mask covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from comfy_api.latest import io

from ..gpen.progress import Progress, part_of
from ..gpen.redraw import RedrawnPixels, colorize_pixels
from ..gpen.stages import Networks
from ..gpen.tasks import COLORIZATION
from ..gpen.wording import agree, named
from . import placement, progress, told
from .convert import to_images, to_mask, to_report, with_colours
from .inputs import fault_of_indices, require_fit
from .placement import ModelHandle
from .schema import FaceDetector, Model, describe, unit_slider

_SHARES = {"detect": 0.4, "restore": 0.4, "mask": 0.2}


class ColorizeFaces(io.ComfyNode):
    """Colours faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENColorize",
            group="redraw",
            display_name="GPEN Colorize Faces",
            description="Colours the faces of black-and-white photographs and keeps their light and shade, to the bit. "
            "The rest of the picture stays, or is coloured as in background.",
            search_aliases=[
                "colorization",
                "colourise",
                "black and white",
                "DDColor",
                "DeOldify",
                "老照片上色",
                "黑白照片",
            ],
            inputs=[
                io.Image.Input("image", tooltip="The photographs. A batch keeps its length and size."),
                FaceDetector.Input("face_detector", tooltip="From GPEN Load Face Detector."),
                unit_slider("strength", 1.0, "How much colour; 0 changes nothing."),
                io.Boolean.Input("recolor", default=False, tooltip="Also colour faces that are in colour already."),
                Model.Input(
                    "gpen_model",
                    optional=True,
                    tooltip="A model for colorization, from GPEN Load Model. Not connected: the best one on this "
                    "machine; a small one comes with the package.",
                ),
                indices_input("colour"),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="The same images in colour, from any colouriser of whole pictures. Their colours are used "
                    "around the faces.",
                ),
            ],
            outputs=redrawn_outputs("The images with coloured faces.", "1 where colours changed, soft at the edges."),
        )

    @classmethod
    def validate_inputs(cls, indices: str | None = "") -> bool | str:
        return fault_of_indices(indices) or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        face_detector: ModelHandle,
        strength: float,
        recolor: bool,
        gpen_model: ModelHandle | None = None,
        indices: str = "",
        background: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        images = to_images(image)
        painted = None if background is None else to_images(background, "background")
        if painted is not None:
            require_fit("background", painted, "image", images)
        handle = placement.generator_for(COLORIZATION, gpen_model)
        networks = placement.networks_of(handle, face_detector, COLORIZATION)

        def colour(index: int, pixels: torch.Tensor, steps: Progress) -> RedrawnPixels:
            return colorize_pixels(
                pixels,
                networks,
                strength=strength,
                recolor=recolor,
                background=None if painted is None else painted[index : index + 1].cpu(),
                indices=indices,
                progress=steps,
            )

        return redraw_batch(image, images, colour, networks, "coloured", indices)


def indices_input(verb: str) -> Any:
    """An input for numbers of faces."""
    return io.String.Input(
        "indices",
        default="",
        optional=True,
        placeholder="0,2-4",
        tooltip=f"Numbers of the faces to {verb} in each image, from 0, such as 0,2-4: number in the report. Empty = "
        "all.",
    )


def redrawn_outputs(picture: str, mask: str) -> list[Any]:
    """The outputs of these blocks, with the tooltips of image and mask."""
    return [
        io.Image.Output("redrawn", display_name="image", tooltip=picture),
        io.Mask.Output("changed", display_name="mask", tooltip=mask),
        io.String.Output("report", display_name="report", tooltip="What was found and done, as JSON."),
    ]


def redraw_batch(
    image: torch.Tensor,
    images: torch.Tensor,
    redraw: Callable[[int, torch.Tensor, Progress], RedrawnPixels],
    networks: Networks,
    done: str,
    indices: str,
) -> io.NodeOutput:
    """Redraw the images one by one; one without a face does not end the work.

    Args:
        image: the IMAGE.
        images: B x 3 x H x W, the same images.
        redraw: takes the number of an image, its pixels on the CPU, and the progress of the work on it.
        networks: which do it.
        done: what is told of a face, see `told.redrawn`.
        indices: as asked for.
    """
    bar = progress.node_progress(_SHARES)
    whole, masks, reports = images, torch.zeros_like(images[:, :1]), []
    for index in range(len(images)):
        pixels = images[index : index + 1].cpu()
        made = redraw(index, pixels, part_of(bar, index, index + 1, len(images)))
        if made.pixels is not pixels:
            whole = images.clone() if whole is images else whole
            whole[index] = made.pixels[0]
            masks[index] = made.mask[0]
        reports.append(made.report)
    report = _report_of(reports, networks)
    result = with_colours(image, images, whole)
    bar.complete()
    progress.say(told.redrawn(report["faces"], len(images), done, indices), *networks.generator.faults)
    return io.NodeOutput(result, to_mask(masks), to_report(report))


def _report_of(reports: Sequence[dict[str, Any]], networks: Networks) -> dict[str, Any]:
    """The reports of the images of a batch as one; a note names its images if there are several."""
    seen: dict[str, list[int]] = {}
    for index, report in enumerate(reports):
        for note in report["notes"]:
            seen.setdefault(note, []).append(index)
    several = len(reports) > 1
    return {
        "notes": [
            f"{agree(len(own), 'Image', 'Images')} {named(own)}: {note}" if several else note
            for note, own in seen.items()
        ],
        "faces": [{"image": index, **face} for index, report in enumerate(reports) for face in report["faces"]],
        "images": len(reports),
        "model": networks.generator.name,
        "backend": networks.generator.running,
        "detector": networks.detector.name,
    }


__all__ = ["ColorizeFaces"]

"""Blocks that draw faces from maps of their parts, and make such maps of photographs."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from comfy_api.latest import io

from ..gpen.images import from_array
from ..gpen.images.samples import integer_array
from ..gpen.models import has_parser
from ..gpen.redraw import draw_maps, legend, map_faces
from ..gpen.settings import Settings
from ..gpen.stages import find_faces
from ..gpen.tasks import DRAWING
from ..gpen.tasks.maps import colour_of, labels_of
from . import placement, progress, told
from .convert import to_crops, to_image, to_images
from .inputs import fault_of_indices, require_square
from .placement import ModelHandle
from .redraw import indices_input
from .schema import FaceDetector, FaceParserWire, Model, describe

# Side of the black map where there is no face.
_SIDE = 512
_SHARES = {"detect": 0.5, "landmarks": 0.1, "map": 0.4}


class DrawFace(io.ComfyNode):
    """Draws faces from maps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENDrawFace",
            group="redraw",
            display_name="GPEN Draw Face from Map",
            description="Draws a face from a map of its parts in the 19 colours of CelebAMask-HQ.",
            search_aliases=["segmentation to face", "seg2face", "face from mask", "semantic map", "分割图画脸"],
            inputs=[
                io.Image.Input(
                    "map",
                    tooltip="Square maps in the colours of the legend, without soft edges; GPEN Map Faces makes them "
                    "from photographs.",
                ),
                Model.Input(
                    "gpen_model",
                    optional=True,
                    tooltip="A model for seg2face, from GPEN Load Model. Not connected: the best one on this machine.",
                ),
            ],
            outputs=[io.Image.Output("drawn", display_name="image", tooltip="The faces, in the model's size.")],
        )

    @classmethod
    def execute(cls, map: torch.Tensor, gpen_model: ModelHandle | None = None) -> io.NodeOutput:
        maps = to_images(map, "map").cpu()
        require_square("map", maps)
        handle = placement.generator_for(DRAWING, gpen_model)
        bar = progress.node_progress()
        labels = [labels_of(integer_array(one, np.dtype(np.uint8))) for one in maps.split(1)]
        drawn = draw_maps(labels, handle.loaded, placement.of_models(handle), progress=bar)
        bar.complete()
        progress.say(told.drawn(len(drawn)), *handle.loaded.faults)
        return io.NodeOutput(to_image(drawn))


class FaceMap(io.ComfyNode):
    """Makes maps of faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFaceMap",
            group="redraw",
            display_name="GPEN Map Faces",
            description="Makes maps of the parts of faces in photographs, to be edited and drawn by GPEN Draw Face "
            "from Map.",
            search_aliases=["face parsing map", "segmentation map", "CelebAMask", "人脸分割图"],
            inputs=[
                io.Image.Input("image", tooltip="The photographs."),
                FaceDetector.Input("face_detector", tooltip="From GPEN Load Face Detector."),
                FaceParserWire.Input(
                    "face_parser",
                    optional=True,
                    tooltip="From GPEN Load Face Parser. Not connected: the best one here; without one, maps are "
                    "sketched from landmarks and colours.",
                ),
                indices_input("map"),
            ],
            outputs=[
                io.Image.Output(
                    "maps", display_name="map", tooltip="A map of each face, 512 x 512; black without one."
                ),
                io.Image.Output("legend", display_name="legend", tooltip="The 19 colours and what they mean."),
            ],
        )

    @classmethod
    def validate_inputs(cls, indices: str | None = "") -> bool | str:
        return fault_of_indices(indices) or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        face_detector: ModelHandle,
        face_parser: ModelHandle | None = None,
        indices: str = "",
    ) -> io.NodeOutput:
        images, bar = to_images(image).cpu(), progress.node_progress(_SHARES)
        found = find_faces(
            images,
            placement.ready(face_detector),
            Settings(),
            indices=indices,
            template="ffhq",
            progress=partial(bar, "detect"),
        ).selected
        parser = face_parser or (placement.own_parser() if has_parser() else None)
        handle = parser or placement.landmarker_handle()
        maps = map_faces(images, found, handle.loaded.module, placement.of_models(handle), progress=bar)
        bar.complete()
        progress.say(told.mapped(len(maps), parser is not None))
        return io.NodeOutput(to_crops(_pictures(maps), _SIDE), to_image(from_array(legend())))


def _pictures(maps: np.ndarray) -> torch.Tensor:
    """N x H x W classes as N x 3 x H x W in the colours of the legend."""
    own = [from_array(one) for one in colour_of(maps)]
    return torch.cat(own) if own else torch.zeros(0, 3, _SIDE, _SIDE)


__all__ = ["DrawFace", "FaceMap"]

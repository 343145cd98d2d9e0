"""The block that gives masks of parts of faces."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import torch
from comfy_api.latest import io

from ..gpen.errors import SettingsError
from ..gpen.faces.landmarks import find_landmarks68
from ..gpen.faces.part_masks import NamedPart, draw_part_masks
from ..gpen.models import AUTO_PARSERS, has_parser
from ..gpen.settings import Settings
from ..gpen.stages import choose_faces, find_faces
from ..gpen.types import Faces
from . import core_faces, placement, progress, told
from .convert import to_images, to_mask
from .inputs import require_images_of
from .placement import ModelHandle
from .schema import FaceDetector, FaceParserWire, describe, faces_input

_NOT_CONNECTED = object()
_SHARES = {"detect": 0.6, "landmarks": 0.2, "mask": 0.15, "edge": 0.05}
_NO_FACES = (
    "The block needs faces: connect GPEN Load Face Detector to face_detector, or faces that were found in image to "
    "faces."
)
_NO_GLASSES = (
    "A mask of glasses needs a face parser, and none is on this machine: choose "
    f"{' or '.join(AUTO_PARSERS)}, which is then downloaded, in GPEN Load Face Parser and connect it to face_parser, "
    "or turn glasses off."
)
_TOOLTIPS = {
    "brows": "The eyebrows.",
    "eyes": "The eyes, up to the brows.",
    "nose": "The nose.",
    "lips": "The lips and the mouth between them.",
    "skin": "The face without eyes and lips.",
    "hair": "Around the face, down to the ears, as far as the eyes are apart.",
    "glasses": "By a face parser.",
}


class FacePartsMask(io.ComfyNode):
    """Gives masks of parts of faces."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFaceMasks",
            group="faces",
            display_name="GPEN Mask Face Parts",
            description="Gives a mask of chosen parts of all faces: brows, eyes, nose, lips, skin, hair, glasses.",
            search_aliases=["face mask", "eyes mask", "lips mask", "face parsing", "face segmentation", "五官遮罩"],
            inputs=[
                io.Image.Input("image", tooltip="The images."),
                *(
                    io.Boolean.Input(part, default=part == "eyes", tooltip=_TOOLTIPS[part])
                    for part in get_args(NamedPart)
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=-256,
                    max=256,
                    tooltip="Pixels by which the mask grows; below 0, it shrinks.",
                ),
                io.Int.Input("feather", default=0, min=0, max=256, tooltip="Pixels by which its edge is blurred."),
                FaceDetector.Input(
                    "face_detector", optional=True, tooltip="From GPEN Load Face Detector. Not needed with faces."
                ),
                faces_input(
                    "Faces found elsewhere, from GPEN Detect Faces, GPEN Select Faces or MediaPipe; the block then "
                    "searches for none.",
                    optional=True,
                ),
                FaceParserWire.Input(
                    "face_parser",
                    optional=True,
                    tooltip="From GPEN Load Face Parser, for glasses. Not connected: the best one here.",
                ),
            ],
            outputs=[
                io.Mask.Output(
                    "mask", display_name="mask", tooltip="1 in the chosen parts of all faces, soft at the edges."
                )
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        glasses: bool | None = False,
        face_detector: object = _NOT_CONNECTED,
        faces: object = _NOT_CONNECTED,
        face_parser: object = _NOT_CONNECTED,
    ) -> bool | str:
        if face_detector is _NOT_CONNECTED and faces is _NOT_CONNECTED:
            return _NO_FACES
        return _NO_GLASSES if glasses and face_parser is _NOT_CONNECTED and not has_parser() else True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        brows: bool,
        eyes: bool,
        nose: bool,
        lips: bool,
        skin: bool,
        hair: bool,
        glasses: bool,
        grow: int,
        feather: int,
        face_detector: ModelHandle | None = None,
        faces: Faces | dict[str, Any] | None = None,
        face_parser: ModelHandle | None = None,
    ) -> io.NodeOutput:
        chosen = (brows, eyes, nose, lips, skin, hair, glasses)
        parts = [part for part, on in zip(get_args(NamedPart), chosen, strict=True) if on]
        images, bar = to_images(image).cpu(), progress.node_progress(_SHARES)
        found = _faces_in(images, face_detector, faces, bar)
        if glasses and face_parser is None and not has_parser():
            raise SettingsError(_NO_GLASSES)
        parser = placement.ready_parser("parsing", face_parser) if glasses else None
        masks = draw_part_masks(images, found, parts, parser=parser, grow=grow, feather=feather, progress=bar)
        bar.complete()
        progress.say(told.parts_masked(parts, len(found), len(images)))
        return io.NodeOutput(to_mask(masks))


def _faces_in(
    images: torch.Tensor,
    face_detector: ModelHandle | None,
    faces: Faces | dict[str, Any] | None,
    bar: progress.NodeProgress,
) -> Faces:
    """The given faces, else those that the detector finds, with 68 landmarks.

    Raises:
        SettingsError: neither is connected.
    """
    if faces is not None:
        given = core_faces.to_faces(faces)
        require_images_of(given, images)
        found = choose_faces(images, given, Settings()).selected
    elif face_detector is not None:
        detector = placement.ready(face_detector)
        found = find_faces(images, detector, Settings(), progress=partial(bar, "detect")).selected
    else:
        raise SettingsError(_NO_FACES)
    if all(face.landmarks68 is not None for face in found):
        return found
    return find_landmarks68(placement.ready_landmarker(), images, found, partial(bar, "landmarks"))


__all__ = ["FacePartsMask"]

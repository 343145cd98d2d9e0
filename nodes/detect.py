"""Blocks that detect and select faces."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, get_args

import torch
from comfy_api.latest import io

from ..gpen.faces.detection.detect import detect
from ..gpen.faces.landmarks.find import find_landmarks68
from ..gpen.faces.select import number_faces, select_faces, upright_faces
from ..gpen.progress import Steps, each
from ..gpen.sheets import draw_faces
from ..gpen.types import Face, Faces
from ..gpen.values import require_choice
from . import core_faces, placement, progress, told
from .convert import box_mask, to_image, to_images
from .inputs import fault_of_indices, require_images_of
from .placement import ModelHandle
from .regions import within
from .schema import BoundingBox, FaceDetector, FacesWire, describe, faces_input, regions_input, setting_widget

Landmarks = Literal["refined", "plain"]

# Shares of the time of GPEN Detect Faces, and of GPEN Select Faces.
_SHARES = {"detect": 90, "landmarks": 5, "draw": 5}
_SHARES_OF_SELECTING = {"show": 1, "draw": 4}
# Number of images of a batch shown on the page, and their longer side.
_SHOWN_IMAGES = 8
_SHOWN_SIDE = 1280


class DetectFaces(io.ComfyNode):
    """Finds the faces in all images of a batch."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENDetectFaces",
            group="faces",
            display_name="GPEN Detect Faces",
            description="Finds the faces in all images of a batch, including small faces in large images.",
            search_aliases=["face detection", "retinaface", "face bounding boxes", "face mask"],
            inputs=[
                io.Image.Input("image", tooltip="The images to search."),
                FaceDetector.Input("face_detector", tooltip="From GPEN Load Face Detector."),
                *(
                    setting_widget("GPENDetectFaces", name)
                    for name in ("score_threshold", "min_face_size", "max_faces")
                ),
                io.Combo.Input(
                    "landmarks",
                    options=list(get_args(Landmarks)),
                    default="refined",
                    display_name="5-point landmarks",
                    tooltip="Eyes, nose and mouth. refined: locate them again, if the detector can; plain: use the "
                    "first result.",
                ),
                setting_widget("GPENDetectFaces", "rotated"),
                # Optional, since workflows may have been saved without this input.
                io.Boolean.Input(
                    "landmarks68",
                    default=True,
                    optional=True,
                    display_name="68-point landmarks",
                    tooltip="Also find 68 points of each face, for masks and parts. Off: they are estimated from five.",
                ),
            ],
            outputs=[
                FacesWire.Output("found", display_name="faces", tooltip="The faces in all images."),
                io.Image.Output("drawn", display_name="preview", tooltip="The images with boxes and numbers."),
                io.Mask.Output(
                    "boxes_mask", display_name="box_mask", tooltip="1 inside the boxes of the faces: rectangles."
                ),
                io.Int.Output("number", display_name="count", tooltip="Number of faces in all images."),
                BoundingBox.Output("boxes", display_name="boxes", tooltip="ComfyUI's bounding boxes, for other nodes."),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        face_detector: ModelHandle,
        score_threshold: float,
        min_face_size: int,
        max_faces: int,
        landmarks: str,
        rotated: bool = False,
        landmarks68: bool = True,
    ) -> io.NodeOutput:
        images, module, bar = to_images(image), placement.ready(face_detector), progress.node_progress(_SHARES)
        faces = detect(
            images,
            module,
            score_threshold=score_threshold,
            min_face_size=min_face_size,
            max_faces=max_faces,
            rotated=rotated,
            refine=require_choice("landmarks", landmarks, get_args(Landmarks)) == "refined",
            progress=partial(bar, "detect"),
        )
        faces, wrong_way = upright_faces(faces)
        progress.say(told.detected(faces, len(wrong_way), min_face_size))
        if landmarks68:
            faces = find_landmarks68(placement.ready_landmarker(), images, faces, partial(bar, "landmarks"))
        drawn = _draw(images, faces, progress=partial(bar, "draw"))
        bar.complete()
        return io.NodeOutput(faces, drawn, box_mask(faces, image), len(faces), core_faces.to_boxes(faces))


class SelectFaces(io.ComfyNode):
    """Selects faces by index, by size, by region or by clicking.

    Data for the page (each a list): `gpen_images`, the first images of the batch as reduced files in the temporary
    folder, without boxes; `gpen_sizes`, the original [width, height] of each; `gpen_faces`, the selectable faces as
    {"image", "index", "box" (xyxy in pixels of the original), "score", "selected"}. `index` is the number for
    `indices`: the position among the faces of the image.
    """

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENSelectFaces",
            group="faces",
            display_name="GPEN Select Faces",
            description="Selects the faces to process. After a run, click faces in the picture to select them.",
            search_aliases=["choose face", "pick face", "face index", "filter faces"],
            # An output node can run before anything else is connected, and sends its data to the page on cached runs,
            # too.
            is_output_node=True,
            inputs=[
                faces_input("From GPEN Detect Faces, or MediaPipe's faces."),
                setting_widget("GPENSelectFaces", "order"),
                io.String.Input(
                    "indices",
                    default="",
                    placeholder="0,2-4",
                    tooltip="Numbers of the faces in each image, from 0, such as 0,2-4. Empty = all.",
                ),
                io.Int.Input(
                    "min_face_size",
                    default=0,
                    min=0,
                    max=100_000,
                    tooltip="Smaller faces (longer side in pixels) are neither numbered nor selected.",
                ),
                io.Image.Input("image", optional=True, tooltip="The images, to show them in the node and the preview."),
                regions_input(
                    "Only faces with their centre in this mask, or in one of these boxes or segments (SEGS), are "
                    "numbered and selected."
                ),
            ],
            outputs=[
                FacesWire.Output("selected", display_name="selected", tooltip="The selected faces; may be none."),
                FacesWire.Output("rejected", display_name="rejected", tooltip="All other faces."),
                io.Image.Output("drawn", display_name="preview", tooltip="Selected faces green, others red, numbered."),
            ],
        )

    @classmethod
    def validate_inputs(cls, indices: str | None = "") -> bool | str:
        return fault_of_indices(indices) or True

    @classmethod
    def execute(
        cls,
        faces: Faces | dict[str, Any],
        order: str,
        indices: str,
        min_face_size: int,
        image: torch.Tensor | None = None,
        regions: Any = None,
    ) -> io.NodeOutput:
        found = core_faces.to_faces(faces)
        counted, _ = select_faces(within(found, regions), order, "", min_face_size)
        selected, _ = select_faces(counted, order, indices)
        chosen = set(selected)
        rejected = Faces(tuple(face for face in found if face not in chosen), found.sizes)
        numbers = number_faces(counted)
        images, bar = _canvas(found, image), progress.node_progress(_SHARES_OF_SELECTING)
        limits = [] if regions is None else ["outside the regions"]
        limits += [f"under {min_face_size} pixels"] if min_face_size else []
        progress.say(told.selected(found, counted, selected, numbers.values(), indices, limits))
        shown = images[:_SHOWN_IMAGES]
        page = {
            "gpen_images": progress.temporary_pictures(shown.split(1), _SHOWN_SIDE, partial(bar, "show")),
            "gpen_sizes": [[width, height] for height, width in found.sizes[: len(shown)]],
            "gpen_faces": [
                {"image": face.image_index, "index": number, "box": list(face.box), "score": face.score}
                | {"selected": face in chosen}
                for face, number in numbers.items()
                if face.image_index < len(shown)
            ],
        }
        drawn = _draw(images, selected, rejected, numbers, progress=partial(bar, "draw"))
        bar.complete()
        return io.NodeOutput(selected, rejected, drawn, ui=page)


def _canvas(faces: Faces, image: torch.Tensor | None) -> torch.Tensor:
    """The images of the faces, B x 3 x H x W; black if they are not connected.

    Raises:
        ImageError: the images are not those of the faces.
    """
    height, width = faces.sizes[0]
    if image is None:
        return torch.zeros(1, 3, height, width).expand(len(faces.sizes), -1, -1, -1)
    images = to_images(image)
    require_images_of(faces, images)
    return images


def _draw(
    images: torch.Tensor,
    selected: Faces,
    rejected: Faces | None = None,
    numbers: dict[Face, int] | None = None,
    *,
    progress: Steps,
) -> torch.Tensor:
    """Draw faces on the images; returns an IMAGE on the device of the images."""
    drawn = to_image(torch.empty_like(images, memory_format=torch.channels_last))
    for (index, image), _ in each(list(enumerate(images.split(1))), progress):
        others = rejected.of_image(index) if rejected else ()
        drawn[index] = to_image(draw_faces(image, selected.of_image(index), others, numbers))[0]
    return drawn

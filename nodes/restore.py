"""Blocks that restore crops or whole pictures."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from comfy_api.latest import io

from ..gpen.enlarging import GivenPictures
from ..gpen.errors import SettingsError
from ..gpen.faces.framing import misplaced_crops
from ..gpen.models import LoadedModel
from ..gpen.pipeline import SHARES, restore_batch
from ..gpen.presets import DEFAULT_NAME, Preset, load_named
from ..gpen.progress import Steps, no_steps
from ..gpen.report import batch_report
from ..gpen.restore import restore_crops
from ..gpen.restored import RestoredBatch
from ..gpen.settings import Settings
from ..gpen.tasks import RESTORATION, require_task
from ..gpen.types import Faces
from ..gpen.video.in_memory import restore_frames
from . import core_faces, placement, progress, told
from .convert import to_crops, to_image, to_images, to_mask, to_report, with_colours
from .inputs import fault_of_indices, require_area, require_background, require_images_of, require_square
from .placement import ModelHandle
from .regions import within
from .schema import (
    FaceDetector,
    FaceParserWire,
    FacesWire,
    Model,
    area_inputs,
    background_input,
    describe,
    faces_input,
    preset_inputs,
    regions_input,
    setting_widget,
)

PREVIEW_SENTENCE = (
    "{model} is a small bundled model of preview quality; gpen-bfr-512 is better: choose it in GPEN Load Model, "
    "which downloads it (non-commercial licence)."
)
# What people look for who want this block. Versions of ComfyUI without aliases search ids and names only.
_ALIASES = [
    *("face restoration", "restore photo", "fix faces", "face enhance", "face detailer", "修复人脸", "老照片修复"),
    *("FaceDetailer", "ReActor", "GFPGAN", "CodeFormer", "RestoreFormer", "facerestore"),
]
_FOLLOWS_ITSELF = (
    "frames_of_one_shot follows the faces from image to image itself; disconnect faces (regions and indices choose "
    "among them), or turn it off."
)
_PREPARES = (
    "The preset changes whole images (levels, white_balance, deblock or exposure), and background would not show it; "
    "use GPEN Prepare Photo before the images are enlarged, and turn these settings off."
)
_ONE_BY_ONE = "frames_of_one_shot does not go together with background; disconnect one of them."
# Number of crops of a batch that are looked at.
_LOOKED_AT = 32
_SHARES = {"look": 0.1, "restore": 0.9}
_BATCH_SIZE_TOOLTIP = "Faces per pass of the network. 0 = as many as memory allows."


class RestoreFaces(io.ComfyNode):
    """Restores aligned crops with the network."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENRestoreFaces",
            group="faces",
            display_name="GPEN Restore Crops",
            description="Restores crops from GPEN Align Faces; GPEN Face Restore restores whole images.",
            search_aliases=["aligned faces", "修复裁剪图"],
            inputs=[
                Model.Input("gpen_model", tooltip="From GPEN Load Model."),
                io.Image.Input("crops", tooltip="From GPEN Align Faces, or any aligned faces."),
                setting_widget("GPENRestoreFaces", "strength"),
                setting_widget("GPENRestoreFaces", "keep_grayscale"),
                io.Int.Input("batch_size", default=0, min=0, max=256, tooltip=_BATCH_SIZE_TOOLTIP),
                setting_widget("GPENRestoreFaces", "colour"),
            ],
            outputs=[
                io.Image.Output("restored", display_name="crops", tooltip="The restored crops, in the model's size.")
            ],
        )

    @classmethod
    def execute(
        cls,
        gpen_model: ModelHandle,
        crops: torch.Tensor,
        strength: float,
        keep_grayscale: bool,
        batch_size: int,
        colour: str = "auto",
    ) -> io.NodeOutput:
        require_task(gpen_model.loaded.name, gpen_model.loaded.task, RESTORATION.name)
        place, bar = placement.of_models(gpen_model), progress.node_progress(_SHARES)
        images = to_images(crops, "crops")
        require_square("crops", images)
        empty = not images.any()  # the placeholder of GPEN Align Faces where there is no face
        misplaced, looked_at = _look_at(images, gpen_model.loaded, partial(bar, "look"))
        restored = restore_crops(
            gpen_model.loaded.module,
            images,
            task=RESTORATION,
            strength=0.0 if empty else strength,
            keep_grayscale=keep_grayscale,
            colour=colour,
            batch_size=placement.batch_size(gpen_model, place, batch_size),
            place=place,
            progress=bar,
        )
        bar.complete()
        line = told.crops_restored(0 if empty else len(images), misplaced, looked_at, gpen_model.loaded.name)
        progress.say(line, *gpen_model.loaded.faults)
        return io.NodeOutput(to_image(restored))


def _look_at(crops: torch.Tensor, model: LoadedModel, steps: Steps = no_steps) -> tuple[list[int], int]:
    """Positions of the crops that do not look aligned, and how many were looked at: of a large batch, only some."""
    looked_at = torch.linspace(0, len(crops) - 1, min(len(crops), _LOOKED_AT)).round().int().tolist()
    landmarker = placement.ready_landmarker()
    found = misplaced_crops(crops[looked_at], model.template, landmarker, placement.ready_detector, steps)
    return [looked_at[index] for index in found], len(looked_at)


class FaceRestore(io.ComfyNode):
    """The whole chain in one block."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFaceRestore",
            # The search compares ids too: with this name, "restore faces" finds this block before GPENRestoreFaces.
            display_name="GPEN Face Restore (Restore Faces)",
            description="Finds, cuts, restores and pastes back the faces of every image: the whole chain in one block.",
            search_aliases=_ALIASES,
            inputs=[
                io.Image.Input("image", tooltip="The images to restore. A batch keeps its length and size."),
                Model.Input("gpen_model", tooltip="From GPEN Load Model."),
                FaceDetector.Input("face_detector", tooltip="From GPEN Load Face Detector."),
                *preset_inputs(),
                faces_input(
                    "Faces found elsewhere, from GPEN Detect Faces, GPEN Select Faces or MediaPipe; the block then "
                    "searches for none.",
                    optional=True,
                ),
                io.String.Input(
                    "indices",
                    default="",
                    optional=True,
                    placeholder="0,2-4",
                    tooltip="Numbers of the faces to restore in each image, from 0, such as 0,2-4: number in the "
                    "report, in the order of the preset. Empty = all.",
                ),
                regions_input(
                    "Only faces with their centre in this mask, or in one of these boxes or segments (SEGS), are "
                    "numbered and restored."
                ),
                FaceParserWire.Input(
                    "face_parser",
                    optional=True,
                    tooltip="From GPEN Load Face Parser, for presets with the mask_mode parsing. Not connected: the "
                    "best one here.",
                ),
                io.Boolean.Input(
                    "frames_of_one_shot",
                    default=False,
                    optional=True,
                    display_name="frames of one shot",
                    tooltip="The images are consecutive frames of a video: faces are followed and restored steadily "
                    "from one to the next, and begin anew at cuts. before and after then hold one crop of each face.",
                ),
                *area_inputs(),
                background_input(),
            ],
            outputs=[
                io.Image.Output("restored", display_name="image", tooltip="The images with restored faces."),
                io.Image.Output("before", display_name="before", tooltip="The crops before; black without a face."),
                io.Image.Output("after", display_name="after", tooltip="The restored crops."),
                io.Mask.Output(
                    "mask", display_name="paste_mask", tooltip="1 where restored faces were pasted, soft at the edges."
                ),
                io.String.Output("report", display_name="report", tooltip="What was found and done, as JSON."),
                FacesWire.Output("restored_faces", display_name="faces", tooltip="The restored faces; may be none."),
                io.Mask.Output(
                    "face_masks",
                    display_name="face_masks",
                    tooltip="The part of paste_mask of each of these faces, in the image's size; black without a face.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, indices: str | None = "") -> bool | str:
        return fault_of_indices(indices) or True

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        gpen_model: ModelHandle,
        face_detector: ModelHandle,
        strength: float,
        preset: Preset | None = None,
        faces: Faces | dict[str, Any] | None = None,
        indices: str = "",
        regions: Any = None,
        face_parser: ModelHandle | None = None,
        frames_of_one_shot: bool = False,
        only_here: torch.Tensor | None = None,
        not_here: torch.Tensor | None = None,
        background: torch.Tensor | None = None,
    ) -> io.NodeOutput:
        preset = chosen_preset(preset, strength)
        settings = preset.settings
        networks = placement.networks_of(
            gpen_model, face_detector, RESTORATION, settings=settings, face_parser=face_parser
        )
        images, bar = to_images(image), progress.node_progress(SHARES)
        options: dict[str, Any] = {
            "within": None if regions is None else partial(within, regions=regions),
            "indices": indices,
            "area": require_area(only_here, not_here, images),
            "batch_size": placement.batch_size(gpen_model, networks.place, 0),
            "progress": bar,
        }
        if frames_of_one_shot and faces is not None:
            raise SettingsError(_FOLLOWS_ITSELF)
        enlarger, shown, before = None, image, images
        if background is not None:
            enlarger = _given_background(background, images, settings, frames_of_one_shot)
            shown, before = background, enlarger.pictures
        if frames_of_one_shot and len(images) > 1:
            batch = restore_frames(images, networks, settings, **options)
        else:
            given = None if faces is None else _given_faces(faces, images)
            batch = restore_batch(images, networks, settings, faces=given, enlarger=enlarger, **options)
        size = gpen_model.loaded.module.config.size
        restored = with_colours(shown, before, batch.images)
        crops = to_crops(batch.before, size), to_crops(batch.after, size)
        report = batch_report(batch, networks, preset, PREVIEW_SENTENCE, indices=indices)
        doubts = _doubts(batch, gpen_model.loaded)
        report["notes"] += doubts
        bar.complete()
        progress.say(told.restored(batch, settings, indices), *doubts, *networks.notes, *gpen_model.loaded.faults)
        return io.NodeOutput(restored, *crops, to_mask(batch.mask), to_report(report), *_restored_faces(batch))


def _given_background(
    background: torch.Tensor, images: torch.Tensor, settings: Settings, frames_of_one_shot: bool
) -> GivenPictures:
    """The enlarged pictures that faces are pasted into.

    Raises:
        ImageError: they do not fit the images.
        SettingsError: the settings change whole pictures, or faces are followed from image to image.
    """
    if settings.prepares:
        raise SettingsError(_PREPARES)
    if frames_of_one_shot:
        raise SettingsError(_ONE_BY_ONE)
    pictures = to_images(background, "background")
    require_background(pictures, images)
    return GivenPictures.of(pictures, images)


def _given_faces(faces: Faces | dict[str, Any], images: torch.Tensor) -> Faces:
    """Faces found elsewhere; raises ImageError if they are not of as many images of this size."""
    given = core_faces.to_faces(faces)
    require_images_of(given, images)
    return given


def _doubts(batch: RestoredBatch, model: LoadedModel) -> list[str]:
    """A sentence if faces found elsewhere are not those of the images."""
    if batch.searched or not len(batch.before):
        return []
    return list(filter(None, [told.faces_misplaced(*_look_at(batch.before, model))]))


def _restored_faces(batch: RestoredBatch) -> tuple[Faces, torch.Tensor]:
    """The faces that were restored, and the mask of each as a MASK; a single black one without a face."""
    done = replace(batch, records=tuple(record for record in batch.records if record.left_alone is None))
    faces = Faces(tuple(record.face for record in done.records), batch.faces.sizes)
    return faces, to_mask(done.draw_face_masks() if len(faces) else torch.zeros_like(batch.mask[:1]))


def chosen_preset(preset: Preset | None, strength: float) -> Preset:
    """The connected preset, or else the usual one, with its strength times a factor."""
    preset = preset or load_named(DEFAULT_NAME)
    return replace(preset, settings=replace(preset.settings, strength=preset.settings.strength * strength))

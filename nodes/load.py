"""Blocks that load models."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..gpen.backends import Backend, Precision
from ..gpen.models import LoadedModel, load_detector, load_generator, load_parser
from . import model_menus, placement, progress, told
from .schema import FaceDetector, FaceParserWire, Model, describe

_MENU = (
    "auto = the best one on this machine, without a download. Any other entry is downloaded when the block runs for "
    "the first time, unless it is here already; its licence is shown."
)


class LoadModel(io.ComfyNode):
    """Loads a GPEN model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENLoadModel",
            group="loaders",
            display_name="GPEN Load Model",
            description="Loads a GPEN: a network that restores, colours, fills in or draws faces. Blocks that load the "
            "same file share one model.",
            search_aliases=["face restoration model", "gpen loader", "load gpen"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_menus.model_names("generator"),
                    default=model_menus.AUTO,
                    tooltip=f"The network; each block says what for. {_MENU} Put your own files into models/gpen.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(get_args(Precision)),
                    default="fp32",
                    tooltip="Number format: fp32 is exact; bf16 and fp16 are faster on devices that support them. If "
                    "one changes the picture, fp32 is used instead.",
                ),
                io.Combo.Input(
                    "backend",
                    options=list(get_args(Backend)),
                    default="auto",
                    tooltip="auto = the fastest installed one that gives the same picture, once there are enough faces "
                    "to make up for its start. compile and tensorrt take minutes the first time. A backend that fails "
                    "here is replaced by eager, with a note.",
                ),
            ],
            outputs=[Model.Output("loaded_model", display_name="gpen_model", tooltip="For other GPEN blocks.")],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str, **_: object) -> str:
        return model_menus.fingerprint(model, "generator")

    @classmethod
    def validate_inputs(cls, model: str | None = None) -> bool | str:
        return model_menus.fault_of_choice(model, "generator") or True

    @classmethod
    def execute(cls, model: str, precision: Precision, backend: Backend) -> io.NodeOutput:
        downloaded = model_menus.make_available(model, "generator")
        with placement.outside_inference_mode():
            loaded = load_generator(model, device=placement.device(), backend=backend, precision=precision, task=None)
        _say(downloaded, model, loaded, "generator")
        return io.NodeOutput(placement.generator_handle(loaded))


class LoadFaceDetector(io.ComfyNode):
    """Loads a face detector."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENLoadFaceDetector",
            group="loaders",
            display_name="GPEN Load Face Detector",
            description="Loads a RetinaFace face detector.",
            search_aliases=["retinaface", "face detection model"],
            inputs=[
                io.Combo.Input(
                    "detector",
                    options=model_menus.model_names("detector"),
                    default=model_menus.AUTO,
                    tooltip=f"The detector. {_MENU}",
                ),
            ],
            outputs=[
                FaceDetector.Output(
                    "loaded_detector",
                    display_name="face_detector",
                    tooltip="The detector, for other GPEN blocks.",
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, detector: str) -> str:
        return model_menus.fingerprint(detector, "detector")

    @classmethod
    def validate_inputs(cls, detector: str | None = None) -> bool | str:
        return model_menus.fault_of_choice(detector, "detector") or True

    @classmethod
    def execute(cls, detector: str) -> io.NodeOutput:
        downloaded = model_menus.make_available(detector, "detector")
        with placement.outside_inference_mode():
            loaded = load_detector(detector)
        _say(downloaded, detector, loaded, "detector")
        return io.NodeOutput(placement.detector_handle(loaded))


class LoadFaceParser(io.ComfyNode):
    """Loads a network for the mask mode `parsing`."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENLoadFaceParser",
            group="loaders",
            display_name="GPEN Load Face Parser",
            description="Loads a face parsing network, for the mask_mode parsing.",
            search_aliases=["face parsing", "bisenet", "parsenet", "face segmentation"],
            inputs=[
                io.Combo.Input(
                    "parser",
                    options=model_menus.model_names("parser"),
                    default=model_menus.AUTO,
                    tooltip=f"The network. {_MENU} None is bundled. Put your own files into models/facedetection.",
                ),
            ],
            outputs=[
                FaceParserWire.Output(
                    "loaded_parser",
                    display_name="face_parser",
                    tooltip="For GPEN Face Restore and GPEN Paste Faces.",
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, parser: str) -> str:
        return model_menus.fingerprint(parser, "parser")

    @classmethod
    def validate_inputs(cls, parser: str | None = None) -> bool | str:
        return model_menus.fault_of_choice(parser, "parser") or True

    @classmethod
    def execute(cls, parser: str) -> io.NodeOutput:
        downloaded = model_menus.make_available(parser, "parser")
        if parser == model_menus.AUTO:
            handle = placement.own_parser()
        else:
            with placement.outside_inference_mode():
                handle = placement.detector_handle(load_parser(parser))
        _say(downloaded, parser, handle.loaded, "parser")
        return io.NodeOutput(handle)


def _say(downloaded: str, choice: str, loaded: LoadedModel, kind: model_menus.Kind) -> None:
    """Say what came of a choice, and what of it the user should know."""
    ignored = model_menus.better_ignored(choice, loaded.name, kind)
    progress.say(downloaded, *ignored, *loaded.notes, otherwise=told.loaded(loaded.name))

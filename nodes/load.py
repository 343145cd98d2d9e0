"""Blocks that load models."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..gpen.backends import Backend, Precision
from ..gpen.models import load_detector, load_generator
from . import model_menus, placement, progress
from .schema import FaceDetector, Model, describe

_MENU = (
    "auto takes the best one on this machine and never downloads. Any other name of the list is downloaded when the "
    "block runs for the first time, if it is not here yet; the licence is shown."
)


class LoadModel(io.ComfyNode):
    """Loads a GPEN generator."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENLoadModel",
            display_name="GPEN Load Model",
            description="Loads a GPEN face restoration network. All blocks that load the same file share one model.",
            search_aliases=["face restoration model", "gpen loader", "load gpen"],
            inputs=[
                io.Combo.Input(
                    "model",
                    options=model_menus.model_names("generator"),
                    default=model_menus.AUTO,
                    tooltip=f"The network. {_MENU} Files of your own belong in models/gpen.",
                ),
                io.Combo.Input(
                    "precision",
                    options=list(get_args(Precision)),
                    default="fp32",
                    tooltip="Number format: fp32 is exact; bf16 and fp16 are faster where the device has them. Where "
                    "one changes the picture, fp32 is taken.",
                ),
                io.Combo.Input(
                    "backend",
                    options=list(get_args(Backend)),
                    default="auto",
                    tooltip="auto takes the fastest that is installed and gives the same picture, as soon as there are "
                    "faces enough to pay for its start; compile and tensorrt take minutes once. Whatever does not work "
                    "here gives way to eager, with a word.",
                ),
            ],
            outputs=[Model.Output("loaded_model", display_name="gpen_model", tooltip="For other GPEN blocks.")],
        )

    @classmethod
    def fingerprint_inputs(cls, model: str, **_: object) -> str:
        return model_menus.fingerprint(model, "generator")

    @classmethod
    def execute(cls, model: str, precision: Precision, backend: Backend) -> io.NodeOutput:
        model_menus.make_available(model, "generator")
        with placement.building():
            loaded = load_generator(model, device=placement.device(), backend=backend, precision=precision)
        for note in loaded.notes:
            progress.say(note)
        return io.NodeOutput(placement.generator_handle(loaded))


class LoadFaceDetector(io.ComfyNode):
    """Loads a face detector."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENLoadFaceDetector",
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
    def execute(cls, detector: str) -> io.NodeOutput:
        model_menus.make_available(detector, "detector")
        with placement.building():
            loaded = load_detector(detector)
        return io.NodeOutput(placement.detector_handle(loaded))

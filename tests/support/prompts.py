"""Workflows of this package's blocks, in the form the queue takes."""

from __future__ import annotations

from typing import Any

from comfyui_server import ComfyUI
from workflows.client import Prompt, Run


def node(class_type: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def models() -> Prompt:
    """The bundled ones."""
    return {
        "model": node("GPENLoadModel", model="gpen-lite-256", precision="fp32", backend="auto"),
        "detector": node("GPENLoadFaceDetector", detector="face-detector-lite"),
    }


def load(name: str) -> dict[str, Any]:
    return node("LoadImage", image=name)


def preview(source: str, slot: int = 0) -> dict[str, Any]:
    return node("PreviewImage", images=[source, slot])


def whole(source: str = "image", **inputs: object) -> dict[str, Any]:
    """GPENFaceRestore on the output of a node."""
    sockets = {
        "image": [source, 0],
        "gpen_model": ["model", 0],
        "face_detector": ["detector", 0],
        "strength": 1.0,
    }
    return node("GPENFaceRestore", **(sockets | inputs))


def blocks(**between: dict[str, Any]) -> Prompt:
    """The chain block by block on the node `image`; nodes in `between` work on the crops, the last one is pasted."""
    last = list(between)[-1] if between else "restore"
    return {
        **models(),
        "detect": node(
            "GPENDetectFaces",
            image=["image", 0],
            face_detector=["detector", 0],
            score_threshold=0.7,
            min_face_size=16,
            max_faces=0,
            landmarks="refined",
            rotated=False,
        ),
        "align": node(
            "GPENAlignFaces",
            image=["image", 0],
            faces=["detect", 0],
            size=0,
            template="auto",
            gpen_model=["model", 0],
        ),
        "restore": node(
            "GPENRestoreFaces",
            gpen_model=["model", 0],
            crops=["align", 0],
            strength=1.0,
            keep_grayscale=True,
            batch_size=0,
        ),
        **between,
        "paste": node(
            "GPENPasteFaces",
            image=["image", 0],
            crops=[last, 0],
            alignment=["align", 1],
            mask_mode="landmarks",
            feather=0.1,
            color_match="low_band",
            match_grain=0.0,
            strength=1.0,
        ),
        "out": preview("paste"),
    }


def succeed(comfyui: ComfyUI, prompt: Prompt) -> Run:
    """What came of a workflow that must run to its end."""
    run = comfyui.run(prompt)
    assert run.status == "success", run.error
    return run

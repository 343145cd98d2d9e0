"""Workflows of this package's blocks, in the form the queue takes."""

from __future__ import annotations

from typing import Any

from comfyui_client import Prompt, Run
from comfyui_server import ComfyUI


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


def frequency_blend(base: str = "align", detail: str = "restore", **inputs: object) -> dict[str, Any]:
    """GPENFrequencyBlend of two nodes' crops."""
    gains = dict.fromkeys(("middle_gain", "high_gain", "eyes_gain", "lips_gain", "skin_gain", "hair_gain"), 1.0)
    sockets = {"base": [base, 0], "detail": [detail, 0], "alignment": ["align", 1]}
    settings = {"cutoff": 0.0, "deblur": 0.5, "keep_grayscale": True}
    return node("GPENFrequencyBlend", **(sockets | settings | gains | inputs))


def local_adaptive(crops: str, **inputs: object) -> dict[str, Any]:
    """GPENLocalAdaptiveEnhance on the crops of a node."""
    sockets = {"crops": [crops, 0], "alignment": ["align", 1]}
    strengths = {"strength": 0.6, "eyes": 1.0, "lips": 0.8, "cheeks": 0.5, "hairline": 0.7}
    return node("GPENLocalAdaptiveEnhance", **(sockets | strengths | inputs))


def prepared(source: str = "image", **inputs: object) -> dict[str, Any]:
    """GPENPrepareImage on the output of a node."""
    settings = {"image": [source, 0], "white_balance": "shades_of_grey", "deblock": 0.5, "exposure": 0.5, "levels": 0.0}
    return node("GPENPrepareImage", **(settings | inputs))


def finished(source: str = "paste", **inputs: object) -> dict[str, Any]:
    """GPENFinish on the output of a node."""
    return node("GPENFinish", **({"image": [source, 0], "sigma": 0.6, "mix": 0.2, "match_grain": 0.5} | inputs))


def succeed(comfyui: ComfyUI, prompt: Prompt) -> Run:
    """What came of a workflow that must run to its end."""
    run = comfyui.run(prompt)
    assert run.status == "success", run.error
    return run

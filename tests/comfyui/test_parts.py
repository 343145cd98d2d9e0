"""GPEN Mask Face Parts in a real ComfyUI."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comfyui_client import Prompt
from parsers import save_parser
from prompts import load, models, node, preview, succeed

PARTS = ("brows", "eyes", "nose", "lips", "skin", "hair", "glasses")
FILE = "my_parts_parsing.safetensors"


def masked(*parts: str, **inputs: Any) -> Prompt:
    """The block on the node `image`, with its mask as a picture."""
    sockets = {name: name in parts for name in PARTS} | {"image": ["image", 0], "grow": 0, "feather": 0}
    wires = {} if "faces" in inputs else {"face_detector": ["detector", 0]}
    return {
        **models(),
        "parts": node("GPENFaceMasks", **(sockets | wires | inputs)),
        "shown": node("MaskToImage", mask=["parts", 0]),
        "out": preview("shown"),
    }


def masks_of(comfyui: Any, prompt: Prompt) -> list[np.ndarray]:
    return [picture[..., 0] / 255 for picture in comfyui.pictures(succeed(comfyui, prompt), "out")]


@pytest.fixture(scope="module")
def images(comfyui, portrait, two_faces) -> Prompt:
    """Two faces, and nothing."""
    return {
        "a": load(comfyui.put("parts-two.png", two_faces)),
        "b": load(comfyui.put("parts-none.png", np.full_like(two_faces, 90))),
        "image": node("ImageBatch", image1=["a", 0], image2=["b", 0]),
    }


def test_a_mask_has_the_chosen_parts_of_all_faces(comfyui, images, two_faces):
    skin, none = masks_of(comfyui, {**masked("skin"), **images})
    assert skin.shape == two_faces.shape[:2] and not none.any()
    half = skin.shape[1] // 2
    assert min(skin[:, :half].max(), skin[:, half:].max()) == 1 and 0.02 < skin.mean() < 0.5
    lips, _ = masks_of(comfyui, {**masked("lips"), **images})
    assert 0 < lips.sum() < 0.3 * skin.sum()
    both, _ = masks_of(comfyui, {**masked("lips", "skin"), **images})
    assert both.sum() > skin.sum()
    grown, _ = masks_of(comfyui, {**masked("lips", grow=10), **images})
    assert grown.sum() > 1.3 * lips.sum()
    nothing, _ = masks_of(comfyui, {**masked(), **images})
    assert not nothing.any() and "No part is chosen" in comfyui.text_of_log()


def test_faces_found_elsewhere_are_taken(comfyui, images, two_faces):
    detect = node(
        "GPENDetectFaces",
        image=["image", 0],
        face_detector=["detector", 0],
        score_threshold=0.7,
        min_face_size=0,
        max_faces=1,
        landmarks="refined",
        rotated=False,
    )
    chosen = {"detect": detect, **images}
    (one, _), (all_faces, _) = (
        masks_of(comfyui, {**masked("skin", **more), **chosen}) for more in ({"faces": ["detect", 0]}, {})
    )
    half = one.shape[1] // 2
    sides = [one[:, :half].any(), one[:, half:].any()]
    assert sorted(sides) == [False, True]
    side = slice(0, half) if sides[0] else slice(half, None)
    assert abs(one[:, side] - all_faces[:, side]).max() < 0.02
    prompt = {**masked("skin", faces=["detect", 0]), **chosen}
    prompt["parts"]["inputs"].pop("faces")
    run = comfyui.run(prompt)
    assert run.status == "refused" and "connect GPEN Load Face Detector to face_detector" in run.error


def test_glasses_need_a_parser(comfyui, images):
    run = comfyui.run({**masked("glasses"), **images})
    assert run.status == "refused"
    assert "A mask of glasses needs a face parser" in run.error and "GPEN Load Face Parser" in run.error
    save_parser(comfyui.base / "models" / "facedetection" / FILE)
    parser = {"parser": node("GPENLoadFaceParser", parser=FILE)}
    # One that has learnt nothing sees some classes at random; what it does is the library's business.
    found, none = masks_of(comfyui, {**masked("glasses", face_parser=["parser", 0]), **parser, **images})
    assert found.shape == none.shape and not none.any()

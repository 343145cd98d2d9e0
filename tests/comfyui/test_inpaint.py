"""GPEN Propose Scratches and GPEN Inpaint Faces in a real ComfyUI, with a small network that has learnt nothing."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest
from comfyui_client import Prompt
from prompts import load, models, node, preview, succeed
from small_networks import network_in_comfyui

from gpen_blocks.gpen.redraw import inpaint, propose_scratches

FILE = "my-inpainting-gpen.safetensors"


@pytest.fixture(scope="module")
def own_network(comfyui: Any) -> str:
    """A network for inpainting among the user's own files."""
    return network_in_comfyui(comfyui, "inpainting", FILE)


@pytest.fixture(scope="module")
def scratched(portrait: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A print with a bright line across the face, and a mask of the line."""
    mask = np.zeros(portrait.shape[:2], np.uint8)
    height, width = portrait.shape[:2]
    cv2.line(mask, (width // 2 - 40, 8), (width // 2 + 20, height - 8), 255, 3)
    drawn = portrait.copy()
    drawn[mask > 0] = 245
    return drawn, mask


def filled(mask: list, **inputs: Any) -> Prompt:
    """The block on the node `image` and a mask, with previews of what it gives."""
    sockets = {"image": ["image", 0], "mask": mask, "face_detector": ["detector", 0], "elsewhere": "diffuse"}
    return {
        **models(),
        "own": node("GPENLoadModel", model=FILE, precision="fp32", backend="auto"),
        "fill": node("GPENInpaint", **(sockets | {"gpen_model": ["own", 0]} | inputs)),
        "out": preview("fill"),
        "report": node("PreviewAny", source=["fill", 2]),
    }


def as_mask(name: str) -> dict[str, Any]:
    return node("LoadImageMask", image=name, channel="red")


def test_only_masked_pixels_change_and_they_are_the_librarys(comfyui, scratched, own_network):
    picture, mask = scratched
    prompt = {
        **filled(["mask", 0]),
        "image": load(comfyui.put("scratched.png", picture)),
        "mask": as_mask(comfyui.put("line.png", mask)),
    }
    run = succeed(comfyui, prompt)
    result = comfyui.pictures(run, "out")[0][..., :3]
    assert (result[mask == 0] == picture[mask == 0]).all()
    assert (result[mask > 0] != 245).any(axis=1).mean() > 0.9
    wanted = inpaint(picture, mask, model=own_network, detector="face-detector-lite", device="cpu").image
    assert abs(result.astype(int) - wanted).max() <= 1
    report = json.loads(run.outputs["report"]["text"][0])
    assert [face["filled"] for face in report["faces"]] == [True] and report["model"] == FILE.removesuffix(
        ".safetensors"
    )


def test_images_without_a_face_or_without_a_mask_do_not_end_a_batch(comfyui, scratched, own_network):
    picture, mask = scratched
    empty = np.full_like(picture, 90)
    empty[mask > 0] = 245
    frames = {name: load(comfyui.put(f"{name}.png", frame)) for name, frame in (("a", empty), ("b", picture))}
    batch = {"image": node("ImageBatch", image1=["a", 0], image2=["b", 0])}
    prompt = {**filled(["mask", 0]), **frames, **batch, "mask": as_mask(comfyui.put("line.png", mask))}
    flat, whole = (each[..., :3] for each in comfyui.pictures(succeed(comfyui, prompt), "out"))
    assert abs(flat.astype(int) - 90).max() <= 2  # by diffusion
    assert (whole[mask == 0] == picture[mask == 0]).all() and (whole[mask > 0] != 245).any()
    # A picture that has no mask comes with a black one of 64 x 64.
    prompt["fill"]["inputs"]["mask"] = ["b", 1]
    same = comfyui.pictures(succeed(comfyui, prompt), "out")
    assert (same[0][..., :3] == empty).all() and (same[1][..., :3] == picture).all()


def test_scratches_are_proposed_corrected_and_filled_in(comfyui, scratched, own_network):
    """image → scratches → core's mask nodes → inpaint, in one workflow."""
    picture, mask = scratched
    prompt = {
        **filled(["sum", 0]),
        "image": load(comfyui.put("scratched.png", picture)),
        "scratches": node("GPENProposeScratches", image=["image", 0], sensitivity=0.5),
        "sum": node("MaskComposite", destination=["scratches", 0], source=["image", 1], x=0, y=0, operation="add"),
        "shown": node("MaskToImage", mask=["scratches", 0]),
        "mask_out": preview("shown"),
    }
    run = succeed(comfyui, prompt)
    proposed = comfyui.pictures(run, "mask_out")[0][..., 0]
    assert ((proposed > 127) == (propose_scratches(picture, detector="face-detector-lite") > 0)).all()
    assert (proposed[mask > 0] > 127).mean() > 0.5
    result = comfyui.pictures(run, "out")[0][..., :3]
    assert (result[proposed == 0] == picture[proposed == 0]).all() and (result != picture).any()


def test_without_a_model_the_packages_own_fills_in(comfyui, scratched):
    picture, mask = scratched
    prompt = {
        **filled(["mask", 0]),
        "image": load(comfyui.put("scratched.png", picture)),
        "mask": as_mask(comfyui.put("line.png", mask)),
    }
    del prompt["fill"]["inputs"]["gpen_model"], prompt["own"]
    run = succeed(comfyui, prompt)
    expected = inpaint(picture, mask, model="gpen-inpaint-lite", detector="face-detector-lite", device="cpu").image
    assert abs(comfyui.pictures(run, "out")[0][..., :3].astype(int) - expected).max() <= 1
    # Grey of a soft brush counts as white, as in the library.
    prompt["mask"] = as_mask(comfyui.put("gray-line.png", mask // 3))
    run = succeed(comfyui, prompt)
    assert abs(comfyui.pictures(run, "out")[0][..., :3].astype(int) - expected).max() <= 1
    prompt["fill"]["inputs"]["gpen_model"] = ["model", 0]
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "gpen-lite-256 is a GPEN for restoration; choose a model for inpainting." in run.error

"""GPEN Colorize Faces in a real ComfyUI: what the library gives, image by image, and models of its task only."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest
from comfyui_client import Prompt
from prompts import load, models, node, preview, succeed, whole

from gpen_blocks.gpen.redraw import colorize

NETWORK, DETECTOR = "gpen-colorize-lite", "face-detector-lite"


@pytest.fixture(scope="module")
def gray(portrait) -> np.ndarray:
    return np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def luma(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(picture[..., :3]), cv2.COLOR_RGB2YUV)[..., 0]


def coloured(**inputs: Any) -> Prompt:
    """The block on the node `image`, with previews of what it gives."""
    sockets = {"image": ["image", 0], "face_detector": ["detector", 0], "strength": 1.0, "recolor": False}
    return {
        **models(),
        "colour": node("GPENColorize", **(sockets | inputs)),
        "out": preview("colour"),
        "mask": node("MaskToImage", mask=["colour", 1]),
        "mask_out": preview("mask"),
        "report": node("PreviewAny", source=["colour", 2]),
    }


def report_of(run: Any) -> dict[str, Any]:
    return json.loads(run.outputs["report"]["text"][0])


def test_the_block_gives_what_the_library_gives_and_keeps_the_luma(comfyui, gray):
    run = succeed(comfyui, {**coloured(), "image": load(comfyui.put("gray.png", gray))})
    picture, mask = comfyui.pictures(run, "out")[0], comfyui.pictures(run, "mask_out")[0]
    wanted = colorize(gray, model=NETWORK, detector=DETECTOR, device="cpu")
    assert abs(picture[..., :3].astype(int) - wanted.image).max() <= 1
    assert np.ptp(picture[..., :3].astype(int), axis=2).max() > 20
    assert abs(luma(picture).astype(int) - luma(gray)).max() <= 1
    assert abs(mask[..., 0] / 255 - wanted.mask[0, 0].numpy()).max() < 0.01
    outside = wanted.mask[0, 0].numpy() == 0
    assert 0.2 < outside.mean() < 1 and (picture[..., :3][outside] == gray[outside]).all()
    report = report_of(run)
    assert report["model"] == NETWORK and [face["coloured"] for face in report["faces"]] == [True]
    assert "1 face coloured." in comfyui.text_of_log()


def test_each_image_of_a_batch_is_worked_on_by_itself(comfyui, gray, portrait):
    """One without a face and one in colour stay as they are, and are told."""
    empty = np.full_like(gray, 90)
    frames = {
        name: load(comfyui.put(f"{name}.png", frame))
        for name, frame in zip("abc", (empty, gray, portrait), strict=True)
    }
    batches = {
        "ab": node("ImageBatch", image1=["a", 0], image2=["b", 0]),
        "image": node("ImageBatch", image1=["ab", 0], image2=["c", 0]),
    }
    run = succeed(comfyui, {**coloured(gpen_model=["own", 0]), **frames, **batches, "own": own_model(NETWORK)})
    pictures = comfyui.pictures(run, "out")
    assert (pictures[0][..., :3] == empty).all() and (pictures[2][..., :3] == portrait).all()
    assert np.ptp(pictures[1][..., :3].astype(int), axis=2).max() > 20
    report = report_of(run)
    assert [(face["image"], face["coloured"]) for face in report["faces"]] == [(1, True), (2, False)]
    assert any(note.startswith("Image 2: 1 face left as it is: in colour already") for note in report["notes"])
    assert "1 of 3 images has no face" in comfyui.text_of_log()


def own_model(name: str) -> dict[str, Any]:
    return node("GPENLoadModel", model=name, precision="fp32", backend="auto")


def test_a_background_gives_the_colours_around_the_faces(comfyui, gray):
    tinted = np.clip(gray.astype(int) + (30, 0, -30), 0, 255).astype(np.uint8)
    prompt = {
        **coloured(background=["tinted", 0]),
        "image": load(comfyui.put("gray.png", gray)),
        "tinted": load(comfyui.put("tinted.png", tinted)),
    }
    picture = comfyui.pictures(succeed(comfyui, prompt), "out")[0]
    assert (picture[:40, :40, 0].astype(int) > picture[:40, :40, 2]).mean() > 0.9
    prompt["small"] = node(
        "ImageScale", image=["tinted", 0], upscale_method="area", width=128, height=128, crop="disabled"
    )
    prompt["colour"]["inputs"]["background"] = ["small", 0]
    run = comfyui.run(prompt)
    assert run.status == "error" and "background holds 1 picture of 128 x 128, but image holds" in run.error


def test_a_model_for_another_task_is_refused(comfyui, gray):
    image = {"image": load(comfyui.put("gray.png", gray))}
    run = comfyui.run({**coloured(gpen_model=["model", 0]), **image})
    assert run.status == "error"
    assert "gpen-lite-256 is a GPEN for restoration; choose a model for colorization." in run.error
    restore = {**models(), **image, "model": own_model(NETWORK), "restore": whole(), "out": preview("restore")}
    run = comfyui.run(restore)
    assert run.status == "error"
    assert f"{NETWORK} is a GPEN for colorization; choose a model for restoration." in run.error
    crops = node(
        "GPENRestoreFaces",
        gpen_model=["model", 0],
        crops=["image", 0],
        strength=1.0,
        keep_grayscale=True,
        batch_size=0,
    )
    run = comfyui.run({**models(), **image, "model": own_model(NETWORK), "restore": crops, "out": preview("restore")})
    assert run.status == "error" and "choose a model for restoration." in run.error


def test_wrong_numbers_of_faces_are_refused_before_the_queue(comfyui, gray):
    run = comfyui.run({**coloured(indices="one"), "image": load(comfyui.put("gray.png", gray))})
    assert run.status == "refused" and "one" in run.error

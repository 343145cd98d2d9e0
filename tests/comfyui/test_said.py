"""What each block says in itself after a run, in a real ComfyUI."""

from __future__ import annotations

import numpy as np
import pytest
from prompts import blocks, frequency_blend, load, models, node, preview, succeed, whole


@pytest.fixture
def empty(comfyui):
    noise = np.random.default_rng(3).integers(60, 70, (200, 300, 3), np.uint8)
    return {"image": load(comfyui.put("empty.png", noise))}


@pytest.fixture
def pair(comfyui, two_faces):
    return {"image": load(comfyui.put("two.png", two_faces))}


def chosen(indices: str) -> dict:
    prompt = blocks()
    prompt["select"] = node("GPENSelectFaces", faces=["detect", 0], order="largest", indices=indices, min_face_size=0)
    prompt["align"]["inputs"]["faces"] = ["select", 0]
    return prompt


def test_the_blocks_say_what_they_found(comfyui, pair):
    said = succeed(comfyui, {**chosen("1"), **pair}).said
    assert said["detect"] == "2 faces found." and said["select"] == "1 of 2 faces selected."
    assert said["align"] == "1 crop cut." and said["paste"] == "1 crop pasted."


def test_crops_in_another_order_are_said(comfyui, pair):
    """Core's own nodes exchange the two restored crops."""
    split = {
        f"crop{index}": node("ImageFromBatch", image=["restore", 0], batch_index=index, length=1) for index in (0, 1)
    }
    joined = {"joined": node("ImageBatch", image1=["crop1", 0], image2=["crop0", 0])}
    said = succeed(comfyui, {**blocks(**split, **joined), **pair}).said["paste"]
    assert said.startswith("Crops 0, 1 seem to be in the wrong place of the") and said.endswith(" 2 crops pasted.")
    joined["joined"]["inputs"] = {"image1": ["crop0", 0], "image2": ["crop1", 0]}
    assert succeed(comfyui, {**blocks(**split, **joined), **pair}).said["paste"] == "2 crops pasted."


def test_crops_that_do_not_belong_are_said(comfyui, pair):
    """Empty ones, and heads on their hats."""

    def line(**between: dict) -> str:
        return succeed(comfyui, {**blocks(**between), **pair}).said["paste"]

    black = node("EmptyImage", width=256, height=256, batch_size=2, color=0)
    assert line(black=black).startswith("Crops 0, 1 hardly look like what was cut there: empty, turned, or of another")
    turned = node("ImageRotate", image=["restore", 0], rotation="180 degrees")
    assert line(turned=turned).startswith("Crops 0, 1 hardly look like what was cut there")
    assert line(dark=node("ImageInvert", image=["black", 0]), black=black).endswith(" 2 crops pasted.")


def test_a_blend_of_other_crops_is_said(comfyui, pair):
    """And takes the line back when the crops are those of base again."""

    def line(detail: str) -> str | None:
        prompt = {**blocks(), **pair, "blend": frequency_blend(detail=detail), "out": preview("blend")}
        prompt["turned"] = node("ImageRotate", image=["restore", 0], rotation="180 degrees")
        prompt["black"] = node("EmptyImage", width=256, height=256, batch_size=2, color=0)
        for index in (0, 1):
            prompt[f"crop{index}"] = node("ImageFromBatch", image=["restore", 0], batch_index=index, length=1)
        prompt["exchanged"] = node("ImageBatch", image1=["crop1", 0], image2=["crop0", 0])
        return succeed(comfyui, prompt).said.get("blend")

    assert line("restore") in (None, "2 crops blended.")  # another workflow may have shown one
    unlike = "detail 0, 1 hardly looks like base 0, 1: "
    for other in ("turned", "black"):
        assert line(other) == f"{unlike}connect the same crops, before and after."
    assert line("exchanged") == (f"{unlike}the crops seem to be in another order; connect both in the same order.")
    assert line("restore") == "2 crops blended."


def test_what_a_loader_said_does_not_stay_when_it_no_longer_holds(comfyui, pair):
    def line(model: str, precision: str) -> str | None:
        loader = node("GPENLoadModel", model=model, precision=precision, backend="auto")
        prompt = {**models(), **pair, "model": loader, "restore": whole(), "out": preview("restore")}
        return succeed(comfyui, prompt).said.get("model")

    assert line("gpen-lite-256", "fp32") is None
    noted = line("gpen-lite-256", "fp16")
    assert noted is not None and "fp16" in noted
    assert line("auto", "fp32") == "gpen-lite-256 is loaded."


def test_they_say_that_there_is_no_face(comfyui, empty):
    said = succeed(comfyui, {**chosen(""), **empty}).said
    assert said["detect"] == "No face of 16 pixels or more was found."
    assert said["select"] == "No face was found, so none is selected."
    assert said["align"] == "There is no face: the crop is black."
    assert said["paste"] == "There is no face: nothing was pasted."


def test_a_number_that_no_face_has_is_said(comfyui, pair):
    said = succeed(comfyui, {**chosen("7"), **pair}).said
    assert said["select"] == "0 of 2 faces selected. No face has the number 7: the numbers go from 0 to 1."
    chain = {**models(), **pair, "restore": whole(indices="7"), "out": preview("restore")}
    said = succeed(comfyui, chain).said["restore"]
    assert said.startswith("No face was restored; 2 left alone") and "No face has the number 7" in said


def test_the_chain_says_what_it_left_out(comfyui, pair, empty):
    def line(image: dict, **inputs: object) -> str:
        prompt = {**models(), **image, "restore": whole(**inputs), "out": preview("restore")}
        return succeed(comfyui, prompt).said["restore"]

    assert line(pair) == "2 faces restored."
    assert line(empty) == "No face was found."


def test_the_chain_says_that_a_picture_was_not_prepared(comfyui, pair, empty):
    def line(image: dict, **inputs: object) -> str:
        prompt = {**models(), **image, "settings": node("GPENSettings", levels=0.5), "out": preview("restore")}
        return succeed(comfyui, {**prompt, "restore": whole(preset=["settings", 0], **inputs)}).said["restore"]

    left = "The image was not prepared either: it has no face to restore."
    assert line(empty) == f"No face was found. {left}"
    assert line(pair, indices="7").endswith(f" {left}")
    assert line(pair) == "2 faces restored."
    # Nothing of the faces, but the picture is prepared.
    assert line(pair, strength=0.0) == "No face was restored; 2 left alone: the strength is 0."


def test_a_network_that_is_not_here_is_said(comfyui, pair):
    """The preset asks for landmarks of a network that has to be downloaded first."""
    wanted = comfyui.get("/object_info/GPENSavePreset")["GPENSavePreset"]["input"]
    widgets = {**wanted["required"], **wanted.get("optional", {})}
    values = {name: spec[1]["default"] for name, spec in widgets.items() if "default" in spec[1]}
    preset = node("GPENSavePreset", **{**values, "name": "finer points", "overwrite": True, "landmarks68": True})
    prompt = {**models(), **pair, "preset": preset, "out": preview("restore")}
    said = succeed(comfyui, {**prompt, "restore": whole(preset=["preset", 0])}).said["restore"]
    assert said.startswith("2 faces restored. ") and "wflw" in said

"""GPEN Face Restore with faces chosen by another block, by numbers, by a mask or by boxes, in a real ComfyUI."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pictures import same
from prompts import blocks, load, models, node, preview, succeed, whole

FOUND = ("model", "detector", "detect")
SIDE = 512


def halves(before: np.ndarray, after: np.ndarray) -> list[bool]:
    """Whether the left and the right face have changed."""
    changed = np.abs(before.astype(int) - after[..., :3].astype(int)).max(axis=-1) > 8
    return [bool(changed[:, :SIDE].any()), bool(changed[:, SIDE:].any())]


def restored(**inputs: Any) -> dict[str, Any]:
    """The block, its picture, report, faces as crops and both masks."""
    return {
        "restore": whole(**inputs),
        "out": preview("restore"),
        "report": node("PreviewAny", source=["restore", 4]),
        "mask": node("MaskToImage", mask=["restore", 3]),
        "mask_out": preview("mask"),
        "masks": node("MaskToImage", mask=["restore", 6]),
        "masks_out": preview("masks"),
        "crops": node("GPENAlignFaces", image=["image", 0], faces=["restore", 5], size=64, template="auto"),
        "crops_out": preview("crops"),
    }


def report_of(run: Any) -> dict[str, Any]:
    return json.loads(run.outputs["report"]["text"][0])


@pytest.fixture
def pair(comfyui: Any, two_faces: np.ndarray) -> dict[str, Any]:
    assert two_faces.shape[1] == 2 * SIDE
    return {"image": load(comfyui.put("two.png", two_faces))}


@pytest.mark.parametrize("chosen", [0, 1])
def test_faces_of_another_block_are_restored_without_a_search(comfyui, two_faces, pair, chosen):
    select = node("GPENSelectFaces", faces=["detect", 0], order="left_to_right", indices=str(chosen), min_face_size=0)
    prompt = {**{name: blocks()[name] for name in FOUND}, **pair, "select": select, **restored(faces=["select", 0])}
    run = succeed(comfyui, prompt)
    assert halves(two_faces, comfyui.pictures(run, "out")[0]) == [chosen == 0, chosen == 1]
    told = report_of(run)
    assert told["detector"] is None and [face["restored"] for face in told["faces"]] == [True]


def test_faces_found_outside_give_the_same_picture(comfyui, pair):
    prompt = {**{name: blocks()[name] for name in FOUND}, **pair, **restored(faces=["detect", 0])}
    prompt |= {"alone": whole(), "alone_out": preview("alone")}
    run = succeed(comfyui, prompt)
    (picture,), (alone,) = comfyui.pictures(run, "out"), comfyui.pictures(run, "alone_out")
    assert same(picture, alone, 1)


def test_numbers_are_those_of_the_report(comfyui, two_faces, pair):
    every = report_of(succeed(comfyui, {**models(), **pair, **restored()}))["faces"]
    assert sorted(face["number"] for face in every) == [0, 1]
    for face in every:
        run = succeed(comfyui, {**models(), **pair, **restored(indices=str(face["number"]))})
        left = face["box"][0] < SIDE
        assert halves(two_faces, comfyui.pictures(run, "out")[0]) == [left, not left]


def test_a_mask_or_boxes_choose_faces(comfyui, two_faces, pair):
    right = np.zeros_like(two_faces)
    right[:, SIDE:] = 255
    prompt = {
        **models(),
        **pair,
        "region": node("LoadImageMask", image=comfyui.put("right.png", right), channel="red"),
        **restored(regions=["region", 0]),
    }
    run = succeed(comfyui, prompt)
    assert halves(two_faces, comfyui.pictures(run, "out")[0]) == [False, True]
    assert sorted(face.get("skipped", "") for face in report_of(run)["faces"]) == ["", "outside the chosen regions"]
    boxes = {**{name: blocks()[name] for name in FOUND}, **pair, **restored(regions=["detect", 4])}
    boxes["detect"]["inputs"]["max_faces"] = 1
    assert sum(halves(two_faces, comfyui.pictures(succeed(comfyui, boxes), "out")[0])) == 1


def test_each_restored_face_has_its_mask(comfyui, pair):
    run = succeed(comfyui, {**models(), **pair, **restored()})
    masks, (whole_mask,) = comfyui.pictures(run, "masks_out"), comfyui.pictures(run, "mask_out")
    assert len(masks) == len(comfyui.pictures(run, "crops_out")) == 2
    assert all(mask.shape == whole_mask.shape and mask.max() > 200 for mask in masks)
    # Each on its own side, and together what was pasted.
    assert {bool(mask[:, :SIDE].any()) for mask in masks} == {True, False}
    assert np.abs(np.maximum(*masks).astype(int) - whole_mask).max() <= 1


def test_without_a_face_there_is_one_black_mask(comfyui):
    empty = np.random.default_rng(2).integers(60, 70, (200, 300, 3), np.uint8)
    run = succeed(comfyui, {**models(), "image": load(comfyui.put("empty.png", empty)), **restored()})
    (mask,), (crop,) = comfyui.pictures(run, "masks_out"), comfyui.pictures(run, "crops_out")
    assert mask.shape[:2] == (200, 300) and not mask.any() and not crop.any()


def test_faces_of_another_picture_and_wrong_masks_are_told(comfyui, portrait, pair):
    other = {"other": load(comfyui.put("one.png", portrait))}
    faces = {**{name: blocks()[name] for name in FOUND}, **pair, **other, **restored(faces=["detect", 0])}
    faces["detect"]["inputs"]["image"] = ["other", 0]
    run = comfyui.run(faces)
    assert run.status == "error" and "connect to image the pictures in which the faces were found" in run.error
    mask = {**models(), **pair, **other, **restored(regions=["other", 1])}
    run = comfyui.run(mask)
    assert run.status == "error" and "regions holds 1 mask of" in run.error

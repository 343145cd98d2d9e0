"""Workflows in a real ComfyUI give what the library gives, with all kinds of pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pictures import same
from prompts import blocks, frequency_blend, load, models, node, preview, succeed, whole

from gpen_blocks import Restorer

# Smaller than every face of the pictures here, larger than what a detector may take for one.
FACE = 64


@pytest.fixture(scope="module")
def restorer():
    return Restorer(model="gpen-lite-256", detector="face-detector-lite", device="cpu")


def test_one_block_gives_what_the_library_gives(comfyui, portrait, restorer):
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(),
        "out": preview("restore"),
    }
    picture = comfyui.pictures(succeed(comfyui, prompt), "out")[0]
    expected = restorer.restore(portrait).image
    assert same(picture, expected, 2)
    assert np.abs(picture.astype(int) - portrait).max() > 8


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_blocks_one_by_one_give_the_same(comfyui, two_faces, share):
    """The network's answer alone, and blended with the photograph."""
    between = {"blend": frequency_blend()} if share else {}
    prompt = {**blocks(**between), "image": load(comfyui.put("two.png", two_faces))}
    picture = comfyui.pictures(succeed(comfyui, prompt), "out")[0]
    restorer = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", frequency_blend=share)
    assert same(picture, restorer.restore(two_faces).image, 2)


def test_a_preset_and_the_strength_are_those_of_the_library(comfyui, portrait):
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "preset": node("GPENPreset", preset="natural"),
        "restore": whole(preset=["preset", 0], strength=0.5),
        "out": preview("restore"),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    run = succeed(comfyui, prompt)
    restorer = Restorer("gpen-lite-256", "face-detector-lite", preset="natural", device="cpu")
    half = Restorer(
        "gpen-lite-256", "face-detector-lite", preset="natural", device="cpu", strength=restorer.settings.strength * 0.5
    )
    assert same(comfyui.pictures(run, "out")[0], half.restore(portrait).image, 2)
    report = json.loads(run.outputs["report"]["text"][0])
    assert report["preset"] == "natural" and report["model"] == "gpen-lite-256"
    assert any(face["restored"] for face in report["faces"])


def test_a_batch_keeps_its_length_and_its_faceless_frames(comfyui, portrait, two_faces):
    empty = np.full_like(two_faces, 90)
    one = empty.copy()
    one[:, : portrait.shape[1]] = portrait
    frames = [two_faces, empty, one, empty]
    names = [comfyui.put(f"frame{index}.png", frame) for index, frame in enumerate(frames)]
    prompt = {
        **models(),
        **{f"image{index}": load(name) for index, name in enumerate(names)},
        "batch01": node("ImageBatch", image1=["image0", 0], image2=["image1", 0]),
        "batch23": node("ImageBatch", image1=["image2", 0], image2=["image3", 0]),
        "image": node("ImageBatch", image1=["batch01", 0], image2=["batch23", 0]),
        "restore": whole(),
        "out": preview("restore"),
        "before": preview("restore", 1),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    run = succeed(comfyui, prompt)
    pictures = comfyui.pictures(run, "out")
    assert len(pictures) == 4
    assert all(same(pictures[index], empty) for index in (1, 3))
    assert not same(pictures[0], two_faces, 8) and not same(pictures[2], one, 8)
    report = json.loads(run.outputs["report"]["text"][0])
    counts = [sum(face["image"] == index and face["restored"] for face in report["faces"]) for index in range(4)]
    assert counts[0] > counts[2] > 0 and counts[1] == counts[3] == 0
    assert len(comfyui.pictures(run, "before")) == sum(counts)
    assert sum("no face was found" in note for note in report["notes"]) == 2


def test_no_face_lets_the_picture_through_whatever_sits_between(comfyui):
    empty = np.random.default_rng(0).integers(60, 70, (200, 300, 3), np.uint8)
    scale = node("ImageScale", image=["restore", 0], upscale_method="lanczos", width=300, height=300, crop="disabled")
    prompt = {**blocks(scale=scale), "image": load(comfyui.put("empty.png", empty))}
    run = succeed(comfyui, prompt)
    assert same(comfyui.pictures(run, "out")[0], empty)


def test_crops_may_change_their_size_between_align_and_paste(comfyui, portrait, restorer):
    scale = node("ImageScale", image=["blend", 0], upscale_method="bicubic", width=512, height=512, crop="disabled")
    prompt = {**blocks(blend=frequency_blend(), scale=scale), "image": load(comfyui.put("one.png", portrait))}
    picture = comfyui.pictures(succeed(comfyui, prompt), "out")[0]
    expected = restorer.restore(portrait).image
    assert np.abs(picture.astype(int) - expected).mean() < 1
    assert np.abs(picture.astype(int) - portrait).max() > 8


def test_alpha_and_masks_survive(comfyui, portrait):
    alpha = np.broadcast_to(np.linspace(0, 255, portrait.shape[1], dtype=np.uint8), portrait.shape[:2])
    name = comfyui.put("alpha.png", np.dstack([portrait, alpha]))
    prompt = {
        **models(),
        "file": load(name),
        "image": node("JoinImageWithAlpha", image=["file", 0], alpha=["file", 1]),
        "restore": whole(),
        "out": preview("restore"),
        "mask": node("MaskToImage", mask=["restore", 3]),
        "mask_out": preview("mask"),
    }
    run = succeed(comfyui, prompt)
    picture, mask = comfyui.pictures(run, "out")[0], comfyui.pictures(run, "mask_out")[0]
    assert picture.shape[-1] == 4 and same(picture[..., 3], alpha)
    assert mask.shape[:2] == portrait.shape[:2] and mask.max() > 200
    outside = mask[..., 0] == 0
    # A mask below one 8-bit step looks like none.
    assert 0.2 < outside.mean() < 1 and same(picture[..., :3][outside], portrait[outside], 1)


def test_chosen_faces_alone_are_restored_and_the_page_is_told(comfyui, two_faces):
    def select(indices: str) -> dict:
        return node(
            "GPENSelectFaces",
            faces=["detect", 0],
            order="left_to_right",
            indices=indices,
            min_face_size=FACE,
            image=["image", 0],
        )

    prompt = {**blocks(), "image": load(comfyui.put("two.png", two_faces)), "select": select("1")}
    prompt["detect"]["inputs"]["score_threshold"] = 0.9
    prompt["align"] = node(
        "GPENAlignFaces",
        image=["image", 0],
        faces=["select", 0],
        size=0,
        template="auto",
        gpen_model=["model", 0],
    )
    run = succeed(comfyui, prompt)
    page = run.outputs["select"]
    half = two_faces.shape[1] // 2
    assert page["gpen_sizes"] == [[two_faces.shape[1], two_faces.shape[0]]]
    assert len(comfyui.pictures(run, "out")) == 1
    assert [(face["image"], face["index"], face["selected"]) for face in page["gpen_faces"]] == [
        (0, 0, False),
        (0, 1, True),
    ]
    assert page["gpen_faces"][0]["box"][2] < half < page["gpen_faces"][1]["box"][0]
    assert page["gpen_images"][0]["type"] == "temp"
    picture = comfyui.pictures(run, "out")[0].astype(int)
    assert same(picture[:, : half // 2], two_faces[:, : half // 2])
    assert np.abs(picture[:, half:] - two_faces[:, half:]).max() > 8
    again = comfyui.run(prompt)
    assert again.outputs["select"] == page and not again.executed & set(prompt)

    prompt["select"] = select("7")
    nobody = succeed(comfyui, prompt)
    assert same(comfyui.pictures(nobody, "out")[0], two_faces)
    prompt["select"] = select("0;1")
    assert "0,2-4" in comfyui.run(prompt).error


def test_boxes_and_masks_fit_other_nodes(comfyui, two_faces):
    prompt = {
        **{name: entry for name, entry in blocks().items() if name in ("model", "detector", "detect")},
        "image": load(comfyui.put("two.png", two_faces)),
        "only": node(
            "GPENSelectFaces",
            faces=["detect", 0],
            order="score",
            indices="",
            min_face_size=0,
            regions=["detect", 4],
        ),
        "boxes": node("PreviewAny", source=["detect", 4]),
        "grown": node("GrowMask", mask=["detect", 2], expand=4, tapered_corners=True),
        "mask": node("MaskToImage", mask=["grown", 0]),
        "out": preview("mask"),
    }
    run = succeed(comfyui, prompt)
    assert len(run.outputs["only"]["gpen_faces"]) >= 2
    boxes = json.loads(run.outputs["boxes"]["text"][0])
    assert len(boxes) == 1 and {"x", "y", "width", "height"} <= boxes[0][0].keys()
    x, y = int(boxes[0][0]["x"] + boxes[0][0]["width"] / 2), int(boxes[0][0]["y"] + boxes[0][0]["height"] / 2)
    assert comfyui.pictures(run, "out")[0][y, x].min() == 255

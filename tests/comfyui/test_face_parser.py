"""The mask mode `parsing` in a real ComfyUI, with a parser of the right shapes that has learnt nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from parsers import save_parser
from pictures import same
from prompts import blocks, load, models, node, preview, succeed, whole
from saved import save_preset

from gpen_blocks import Settings
from gpen_blocks.gpen.images import from_array, to_array
from gpen_blocks.gpen.models import load_detector, load_generator, load_parser
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.stages import Networks

FILE = "my_parsing.safetensors"


@pytest.fixture(scope="module")
def parser(comfyui: Any) -> dict:
    """A loader of the user's own file."""
    save_parser(comfyui.base / "models" / "facedetection" / FILE)
    return {"parser": node("GPENLoadFaceParser", parser=FILE)}


def test_without_a_parser_the_whole_chain_is_refused_before_any_work(comfyui, portrait):
    prompt = {
        **models(),
        **save_preset("by parsing", mask_mode="parsing"),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["save", 0]),
        "out": preview("restore"),
    }
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "GPEN Load Face Parser" in run.error and "landmarks or ellipse" in run.error


def test_without_a_parser_the_blocks_are_refused_before_the_queue(comfyui, portrait):
    prompt = {**blocks(), "image": load(comfyui.put("one.png", portrait))}
    prompt["paste"]["inputs"]["mask_mode"] = "parsing"
    run = comfyui.run(prompt)
    assert run.status == "refused"
    assert "GPEN Load Face Parser" in run.error


def test_auto_without_a_parser_says_what_to_choose(comfyui):
    run = comfyui.run(
        {"parser": node("GPENLoadFaceParser", parser="auto"), "out": node("PreviewAny", source=["parser", 0])}
    )
    assert run.status == "error" and "choose bisenet or parsenet" in run.error


def test_a_parser_that_cannot_be_had_names_file_sources_and_folder(comfyui):
    run = comfyui.run(
        {"parser": node("GPENLoadFaceParser", parser="bisenet"), "out": node("PreviewAny", source=["parser", 0])}
    )
    assert run.status == "error"
    assert "parsing_bisenet.pth" in run.error and "github.com/xinntao/facexlib" in run.error
    assert str(comfyui.base / "models" / "facedetection") in run.error
    assert "Published with facexlib" in comfyui.text_of_log()


def test_the_whole_chain_pastes_what_the_library_pastes(comfyui, portrait, parser):
    prompt = {
        **models(),
        **parser,
        **save_preset("by parsing", mask_mode="parsing"),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["save", 0], face_parser=["parser", 0]),
        "out": preview("restore"),
        "mask": node("MaskToImage", mask=["restore", 3]),
        "mask_out": preview("mask"),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    run = succeed(comfyui, prompt)
    networks = Networks(
        load_generator("gpen-lite-256", device="cpu"),
        load_detector("face-detector-lite"),
        parser=load_parser(str(comfyui.base / "models" / "facedetection" / FILE)),
        place=lambda module: torch.device("cpu"),
    )
    wanted = restore_batch(from_array(portrait), networks, Settings(mask_mode="parsing"))
    assert same(comfyui.pictures(run, "out")[0], to_array(wanted.images, like=portrait), 2)
    mask = np.asarray(comfyui.pictures(run, "mask_out")[0])[..., 0] / 255
    assert np.abs(mask - wanted.mask[0, 0].numpy()).max() < 0.02
    report = json.loads(run.outputs["report"]["text"][0])
    assert report["parser"] == FILE.removesuffix(".safetensors") and report["faces"][0]["restored"]


def test_the_paste_block_takes_a_parser(comfyui, portrait, parser):
    prompt = {**blocks(), **parser, "image": load(comfyui.put("one.png", portrait))}
    prompt["mask"] = node("MaskToImage", mask=["paste", 1])
    prompt["mask_out"] = preview("mask")
    masks = {}
    for mode in ("landmarks", "parsing"):
        prompt["paste"]["inputs"] |= {"mask_mode": mode, "face_parser": ["parser", 0]}
        masks[mode] = comfyui.pictures(succeed(comfyui, prompt), "mask_out")[0].astype(float)
    # One that has learnt nothing takes the whole crop for a face.
    assert masks["parsing"].mean() > 1.5 * masks["landmarks"].mean()

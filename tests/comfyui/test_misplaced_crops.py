"""GPEN Restore Crops says in the node which of its pictures do not look like aligned faces."""

from __future__ import annotations

import numpy as np
from prompts import blocks, load, models, node, preview, succeed

TOLD = "expects them. Connect the crops of GPEN Align Faces"


def restored(comfyui, source: dict) -> str:
    """What the log gains while pictures are restored as crops."""
    before = len(comfyui.text_of_log())
    chain = blocks()
    prompt = {**models(), "image": source, "restore": chain["restore"], "out": preview("restore")}
    prompt["restore"]["inputs"]["crops"] = ["image", 0]
    succeed(comfyui, prompt)
    return comfyui.text_of_log()[before:]


def test_a_whole_square_photograph_is_told(comfyui, portrait):
    """Its face is in one corner, and a third of its width."""
    photograph = np.full((768, 768, 3), 90, np.uint8)
    photograph[420:676, 60:316] = portrait[::2, ::2]
    told = restored(comfyui, load(comfyui.put("whole.png", photograph)))
    assert "1 of 1 crop (0) does not look like an aligned face" in told
    assert f"gpen-lite-256 {TOLD}" in told


def test_aligned_crops_are_not(comfyui, two_faces):
    before = len(comfyui.text_of_log())
    prompt = {**blocks(), "image": load(comfyui.put("two.png", two_faces)), "out": preview("restore")}
    run = succeed(comfyui, prompt)
    assert len(comfyui.pictures(run, "out")) == 2
    assert TOLD not in comfyui.text_of_log()[before:]


def test_the_black_crop_that_stands_for_no_face_is_not(comfyui):
    assert TOLD not in restored(comfyui, node("EmptyImage", width=256, height=256, batch_size=1, color=0))

"""GPEN Map Faces and GPEN Draw Face from Map in a real ComfyUI, with a small network that answers what it is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from prompts import load, models, node, preview, succeed
from small_networks import SIZE, network_in_comfyui

from gpen_blocks.gpen.redraw import draw_face, legend, map_photograph
from gpen_blocks.gpen.tasks.maps import colour_of, labels_of

FILE = "my-seg2face-gpen.safetensors"


@pytest.fixture(scope="module")
def own_network(comfyui: Any) -> str:
    return network_in_comfyui(comfyui, "seg2face", FILE, same=True)


def mapped(**inputs: Any) -> dict[str, Any]:
    return node("GPENFaceMap", **({"image": ["image", 0], "face_detector": ["detector", 0]} | inputs))


def test_maps_of_every_face_are_drawn(comfyui, two_faces, own_network):
    """image → maps → faces, as the library gives them."""
    prompt = {
        **models(),
        "image": load(comfyui.put("two.png", two_faces)),
        "map": mapped(),
        "maps": preview("map"),
        "legend": preview("map", 1),
        "own": node("GPENLoadModel", model=FILE, precision="fp32", backend="auto"),
        "draw": node("GPENDrawFace", map=["map", 0], gpen_model=["own", 0]),
        "out": preview("draw"),
    }
    run = succeed(comfyui, prompt)
    maps = [picture[..., :3] for picture in comfyui.pictures(run, "maps")]
    assert [one.shape for one in maps] == [(512, 512, 3)] * 2
    (shown,) = comfyui.pictures(run, "legend")
    assert (shown[..., :3] == legend()).all()
    drawn = [picture[..., :3] for picture in comfyui.pictures(run, "out")]
    for number, (one, face) in enumerate(zip(maps, drawn, strict=True)):
        wanted = map_photograph(two_faces, detector="face-detector-lite", parser="none", number=number, device="cpu")
        assert (labels_of(np.ascontiguousarray(one)) == wanted).mean() > 0.99
        assert (one == colour_of(labels_of(np.ascontiguousarray(one)))).all()
        assert face.shape == (SIZE, SIZE, 3)
        assert abs(face.astype(int) - draw_face(one, model=own_network, device="cpu")).max() <= 1


def test_without_a_face_the_map_is_black_and_what_is_no_map_is_refused(comfyui, portrait, own_network):
    flat = np.full((96, 128, 3), 120, np.uint8)
    prompt = {**models(), "image": load(comfyui.put("flat.png", flat)), "map": mapped(), "maps": preview("map")}
    (black,) = comfyui.pictures(succeed(comfyui, prompt), "maps")
    assert black.shape[:2] == (512, 512) and not black[..., :3].any()
    square = portrait[: min(portrait.shape[:2]), : min(portrait.shape[:2])]
    draw = {
        "image": load(comfyui.put("no-map.png", square)),
        "own": node("GPENLoadModel", model=FILE, precision="fp32", backend="auto"),
        "draw": node("GPENDrawFace", map=["image", 0], gpen_model=["own", 0]),
        "out": preview("draw"),
    }
    run = comfyui.run(draw)
    assert run.status == "error" and "none of the 19 colours of a map" in run.error
    draw["image"] = load(comfyui.put("flat.png", flat))
    run = comfyui.run(draw)
    assert run.status == "error" and "map holds 1 picture of 128 x 96" in run.error

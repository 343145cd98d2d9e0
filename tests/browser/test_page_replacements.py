"""The page offers a block of this package for a node of another pack that is not installed, and puts it in place."""

from __future__ import annotations

import urllib.error
from typing import Any

import pytest


def slot(name: str, kind: str, **link: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **link}


WORKFLOW = {
    "nodes": [
        {
            **{"id": 1, "type": "LoadImage", "pos": [100, 200], "size": [300, 300], "order": 0, "mode": 0, "flags": {}},
            **{"inputs": [], "outputs": [slot("IMAGE", "IMAGE", links=[1]), slot("MASK", "MASK", links=None)]},
            **{"properties": {}, "widgets_values": ["gpen-example.jpg", "image"]},
        },
        {
            **{"id": 2, "type": "ReActorRestoreFace", "pos": [500, 200], "size": [300, 200], "order": 1, "mode": 0},
            **{"inputs": [slot("image", "IMAGE", link=1)], "outputs": [slot("IMAGE", "IMAGE", links=[2])]},
            **{"properties": {}, "flags": {}},
            "widgets_values": ["retinaface_resnet50", "codeformer-v0.1.0.pth", 0.75, 0.5],
        },
        {
            **{"id": 3, "type": "PreviewImage", "pos": [900, 200], "size": [300, 300], "order": 2, "mode": 0},
            **{"inputs": [slot("images", "IMAGE", link=2)], "outputs": [], "properties": {}, "flags": {}},
            "widgets_values": [],
        },
    ],
    "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]],
    **{"last_node_id": 3, "last_link_id": 2, "groups": [], "config": {}, "extra": {}, "version": 0.4},
}


def test_a_missing_node_is_replaced_by_a_block_with_its_wires_and_its_share(comfy: Any) -> None:
    try:
        comfy.server.get("/node_replacements")
    except urllib.error.HTTPError:
        pytest.skip("this ComfyUI replaces no nodes")
    comfy.open()
    comfy.js("await app.loadGraphData(given)", WORKFLOW)
    comfy.page.get_by_role("button", name="View details").click()
    replace = comfy.page.get_by_role("button").filter(has_text="Replace")
    replace.first.wait_for()
    comfy.keep("replacement-offered")
    replace.first.click()
    comfy.page.wait_for_function("app.graph._nodes.some(({ type }) => type === 'GPENFaceRestore')")
    comfy.keep("replacement-done")
    prompt = comfy.prompt()
    assert prompt["2"]["class_type"] == "GPENFaceRestore"
    assert prompt["2"]["inputs"]["image"] == ["1", 0] and prompt["2"]["inputs"]["strength"] == 0.75
    assert prompt["3"]["inputs"]["images"] == ["2", 0]

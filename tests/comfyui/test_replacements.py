"""ComfyUI offers blocks of this package for nodes of packs that are not installed."""

from __future__ import annotations

import urllib.error

import pytest
from prompts import load, models, node, preview

OLD = ("FaceRestoreCFWithModel", "ReActorRestoreFace", "GPENO Face Restoration")


@pytest.fixture(scope="module")
def offered(comfyui):
    try:
        return comfyui.get("/node_replacements")
    except urllib.error.HTTPError:
        pytest.skip("this ComfyUI replaces no nodes")


@pytest.mark.parametrize("old", OLD)
def test_each_leads_to_sockets_that_are_there(comfyui, offered, old):
    (entry,) = offered[old]
    assert entry["old_node_id"] == old
    known = comfyui.get(f"/object_info/{entry['new_node_id']}")[entry["new_node_id"]]
    inputs = {**known["input"]["required"], **known["input"].get("optional", {})}
    assert {one["new_id"] for one in entry["input_mapping"]} <= inputs.keys()
    assert all(one["new_idx"] < len(known["output"]) for one in entry["output_mapping"])
    # What is a widget of the old node has to be told by its place.
    widgets = {one["old_id"] for one in entry["input_mapping"] if "old_id" in one} - {"image"}
    assert widgets <= set(entry["old_widget_ids"])


def test_a_queued_workflow_of_another_pack_reaches_our_block(comfyui, offered, portrait):
    """All that is missing is what the user has to connect: the loaders."""
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "first": node(
            "ReActorRestoreFace", image=["image", 0], facedetection="x", visibility=0.5, codeformer_weight=0.5
        ),
        "old": node(
            "FaceRestoreCFWithModel",
            image=["first", 0],
            facedetection="retinaface_resnet50",
            codeformer_fidelity=0.5,
        ),
        "out": preview("old"),
    }
    for name, entry in prompt.items():
        entry["_meta"] = {"title": name}
    run = comfyui.run(prompt)
    assert run.status == "refused" and "GPENFaceRestore" in run.error
    assert "face_detector" in run.error and "gpen_model" in run.error

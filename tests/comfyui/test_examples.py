"""Every workflow template runs as it is shipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "example_workflows").glob("*.json"))

# What asks for a checkpoint of gigabytes; the picture it would make is loaded instead.
SAMPLED = "VAEDecode"
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
# Widgets that only show something; the page sends them all the same.
VIEWS = ("IMAGECOMPARE",)


def to_api(workflow: dict, info: dict) -> dict:
    """A flat workflow of the page in the form `/prompt` takes, as the page itself makes it.

    Notes, muted nodes, and nodes this ComfyUI does not have are left out.
    """
    links = {link[0]: link for link in workflow["links"]}
    return {
        str(node["id"]): {"class_type": node["type"], "inputs": inputs_of(node, info[node["type"]], links)}
        for node in workflow["nodes"]
        if node.get("mode", 0) == 0 and node["type"] in info
    }


def inputs_of(node: dict, about: dict, links: dict) -> dict:
    values = iter(node.get("widgets_values") or [])
    linked = {socket["name"]: socket["link"] for socket in node.get("inputs", []) if socket.get("link") is not None}
    inputs = {}
    for section in ("required", "optional"):
        for name in about["input_order"].get(section, []):
            kind, *rest = about["input"][section][name]
            options = rest[0] if rest else {}
            if kind in VIEWS:
                inputs[name] = next(values, "")
            elif (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput"):
                inputs[name] = next(values)
                # The page keeps a second widget beside these two.
                if options.get("control_after_generate") or name in ("seed", "noise_seed"):
                    next(values, None)
                if options.get("image_upload"):
                    next(values, None)
            if name in linked:
                link = links[linked[name]]
                inputs[name] = [str(link[1]), link[2]]
    return inputs


def sampled_from_file(prompt: dict, picture: str) -> dict:
    """The workflow with a picture in place of each sampled one, and without what only led there."""
    replaced = {
        name: {"class_type": "LoadImage", "inputs": {"image": picture}} if node["class_type"] == SAMPLED else node
        for name, node in prompt.items()
    }
    sources = {
        name: {value[0] for value in node["inputs"].values() if isinstance(value, list)}
        for name, node in replaced.items()
    }
    used = set().union(*sources.values())
    needed, waiting = set(), [name for name in replaced if name not in used]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += sources[name]
    return {name: node for name, node in replaced.items() if name in needed}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_the_template_runs(comfyui, template):
    info = comfyui.get("/object_info")
    workflow = json.loads(template.read_text(encoding="utf-8"))
    prompt = to_api(workflow, info)
    if not any(info[node["class_type"]]["output_node"] for node in prompt.values()):
        unknown = {node["type"] for node in workflow["nodes"]} - info.keys() - {"MarkdownNote"}
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(unknown))}")
    run = comfyui.run(sampled_from_file(prompt, "gpen-example.jpg"))
    assert run.status == "success", run.error
    assert run.outputs


def test_every_template_has_its_picture_and_is_offered(comfyui):
    offered = comfyui.get("/workflow_templates")
    (names,) = [names for pack, names in offered.items() if pack.startswith("gpen")]
    assert set(names) == {template.stem for template in TEMPLATES}
    assert all(template.with_suffix(".jpg").is_file() for template in TEMPLATES)


def test_the_templates_picture_is_in_the_input_folder(comfyui, examples):
    target = comfyui.base / "input" / "gpen-example.jpg"
    assert target.read_bytes() == (examples / "portrait-degraded.jpg").read_bytes()


def test_block_by_block_restores_the_face_it_shows(comfyui, portrait):
    """The template's last picture is not the one that went in."""
    info = comfyui.get("/object_info")
    workflow = json.loads((ROOT / "example_workflows" / "Block by block.json").read_text(encoding="utf-8"))
    prompt = to_api(workflow, info)
    run = comfyui.run(prompt)
    (saved,) = [name for name, node in prompt.items() if node["class_type"] == "SaveImage"]
    difference = np.abs(comfyui.pictures(run, saved)[0].astype(int) - portrait)
    assert difference.max() > 8 and (difference.max(axis=2) <= 1).mean() > 0.2

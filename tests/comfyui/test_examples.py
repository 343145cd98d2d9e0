"""Every workflow template runs as it is shipped, and has what the nodes of this ComfyUI have."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import chinese_templates
import numpy as np
import pytest
import workflows
from queued import to_prompt, without_sampling
from small_networks import standing_in
from workflow_faults import EXAMPLES, SAMPLED

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "example_workflows").glob("*.json"))
# What these need and the package does not have; a random network stands in.
NOT_BUNDLED = {"Fill in scratches": "gpen-inpainting-1024", "Draw a face from a map": "gpen-seg2face-512"}
# The Chinese ones are the same but for their texts.
ENGLISH = [template for template in TEMPLATES if template.stem in chinese_templates.names()]


@pytest.mark.parametrize("path", workflows.paths(), ids=lambda path: path.stem)
def test_nothing_is_wrong(comfyui, path):
    """Sockets, widgets and their values are those of the nodes, and nothing was gained since the file was saved."""
    assert workflows.faults(path, comfyui.get("/object_info")) == [], "run tools/workflows.py tidy"


@pytest.mark.parametrize("template", ENGLISH, ids=lambda path: path.stem)
def test_the_template_runs(comfyui, template):
    info = comfyui.get("/object_info")
    workflow = json.loads(template.read_text(encoding="utf-8"))
    model = NOT_BUNDLED.get(template.stem)
    with standing_in(comfyui, model) if model else nullcontext():
        run = comfyui.run(without_sampling(to_prompt(workflow, info), SAMPLED))
    assert run.status == "success", run.error
    assert run.outputs


def test_every_template_is_offered_with_its_picture(comfyui):
    offered = comfyui.get("/workflow_templates")
    (names,) = [names for pack, names in offered.items() if pack.startswith("gpen")]
    assert set(names) == {template.stem for template in TEMPLATES}
    assert all(template.with_suffix(".jpg").is_file() for template in TEMPLATES)


def test_the_templates_pictures_are_in_the_input_folder(comfyui, examples):
    for name in EXAMPLES:
        named = {"gpen-example.jpg": "portrait-degraded.jpg", "gpen-example.mp4": "living-room.mp4"}
        source = named.get(name, name.removeprefix("gpen-example-"))
        assert (comfyui.base / "input" / name).read_bytes() == (examples / source).read_bytes()


def test_the_folder_for_models_of_ones_own_is_there(comfyui):
    """The menus' tooltips name it."""
    assert (comfyui.base / "models" / "gpen").is_dir()


def test_block_by_block_restores_the_face_it_shows(comfyui, portrait):
    """The template's last picture is not the one that went in."""
    info = comfyui.get("/object_info")
    workflow = json.loads((ROOT / "example_workflows" / "Block by block.json").read_text(encoding="utf-8"))
    prompt = to_prompt(workflow, info)
    run = comfyui.run(prompt)
    (saved,) = [name for name, node in prompt.items() if node["class_type"] == "SaveImage"]
    difference = np.abs(comfyui.pictures(run, saved)[0].astype(int) - portrait)
    assert difference.max() > 8 and (difference.max(axis=2) <= 1).mean() > 0.2

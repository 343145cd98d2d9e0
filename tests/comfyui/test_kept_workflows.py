"""Workflows of the first release still run as they stand: what they say is taken, and what came later has a default."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from queued import with_every_picture, without_sampling

QUEUED = sorted((Path(__file__).resolve().parents[1] / "data" / "workflows-0.1.0" / "queued").glob("*.json"))


def test_all_are_there():
    assert len(QUEUED) == 8


@pytest.mark.parametrize("path", QUEUED, ids=lambda path: path.stem)
def test_it_runs_as_it_was_queued(comfyui, path):
    info = comfyui.get("/object_info")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert {node["class_type"] for node in kept.values() if node["class_type"].startswith("GPEN")} <= info.keys()
    known = {name: node for name, node in kept.items() if node["class_type"] in info}
    prompt = without_sampling(known, "gpen-example.jpg")
    previews, _ = with_every_picture(prompt, info)
    run = comfyui.run({**prompt, **previews})
    assert run.status == "success", run.error
    assert run.outputs.keys() == {
        name for name, node in {**prompt, **previews}.items() if info[node["class_type"]]["output_node"]
    }

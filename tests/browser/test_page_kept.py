"""Workflows of the first release open in the page as they stand, with all their wires and values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

KEPT = Path(__file__).resolve().parents[1] / "data" / "workflows-0.1.0"
TEMPLATES = sorted(path.stem for path in (KEPT / "queued").glob("*.json"))
BLUEPRINTS = sorted(path.stem for path in KEPT.glob("*.json") if path.stem not in TEMPLATES)
# The ends of the wires that lead out of a subgraph.
OUTSIDE = (-10, -20)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def test_all_are_there() -> None:
    assert (len(TEMPLATES), len(BLUEPRINTS)) == (8, 2)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_queued_as_it_was(comfy: Any, name: str) -> None:
    known = comfy.server.get("/object_info")
    comfy.open()
    comfy.js("await app.loadGraphData(given)", read(KEPT / f"{name}.json"))
    prompt, queued = comfy.prompt(), read(KEPT / "queued" / f"{name}.json")
    for node, kept in queued.items():
        if kept["class_type"] in known:
            assert prompt[node]["class_type"] == kept["class_type"]
            assert prompt[node]["inputs"] | kept["inputs"] == prompt[node]["inputs"], kept["class_type"]
    # For a node that it does not know, the page asks the internet.
    assert not comfy.errors or {kept["class_type"] for kept in queued.values()} - known.keys()


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_a_blueprint_opens_with_all_its_wires_and_runs(comfy: Any, name: str) -> None:
    comfy.open()
    blueprint = read(KEPT / f"{name}.json")
    comfy.load_blueprint(blueprint)
    (block,), (subgraph,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    wires = {
        (f"{block['id']}:{link['origin_id']}", link["origin_slot"], f"{block['id']}:{link['target_id']}")
        for link in subgraph["links"]
        if not {link["origin_id"], link["target_id"]} & {*OUTSIDE}
    }
    queued = {
        (*value, node)
        for node, entry in comfy.prompt().items()
        for value in entry["inputs"].values()
        if isinstance(value, list)
    }
    assert wires and wires <= queued
    comfy.run()
    assert comfy.pictures("The result")[0].shape[:2] == (512, 512)
    assert not comfy.errors

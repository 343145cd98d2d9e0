"""The files people open: templates and blueprints. Needs no ComfyUI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "example_workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_template_is_whole(path: Path) -> None:
    """Wires end at slots of their type on both sides, groups hold all nodes, and a new user's machine can run it."""
    workflow = read(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert len(nodes) == len(workflow["nodes"]) == workflow["last_node_id"]
    for id_, start, start_slot, end, end_slot, kind in workflow["links"]:
        output, entry = nodes[start]["outputs"][start_slot], nodes[end]["inputs"][end_slot]
        assert id_ in output["links"]
        assert entry["link"] == id_
        assert output["type"] == kind
        assert kind in entry["type"].split(",") or entry["type"] == "*"
    assert sum(node["type"] == "MarkdownNote" for node in nodes.values()) == 1
    for node in nodes.values():
        if node["type"] == "MarkdownNote":
            continue
        assert any(_holds(group["bounding"], node) for group in workflow["groups"]), f"{node['type']} is in no group"
        own = node["type"].startswith("GPEN")
        assert node["properties"]["cnr_id"] == ("gpen-blocks" if own else "comfy-core")
        if node["type"] == "LoadImage":
            assert node["widgets_values"][0] == "gpen-example.jpg"
        if node["type"] in ("GPENLoadModel", "GPENLoadFaceDetector"):
            assert node["widgets_values"][0] == "auto"


def _holds(bounding: list[float], node: dict) -> bool:
    left, top, width, height = bounding
    x, y = node["pos"]
    return left <= x and top <= y and x + node["size"][0] <= left + width and y + node["size"][1] <= top + height


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_nodes_do_not_cover_each_other(path: Path) -> None:
    title = 30
    boxes = [(*node["pos"], *node["size"], node["type"]) for node in read(path)["nodes"]]
    for index, (x, y, width, height, name) in enumerate(boxes):
        for other_x, other_y, other_width, other_height, other in boxes[:index]:
            apart = x >= other_x + other_width or other_x >= x + width
            apart |= y - title >= other_y + other_height or other_y - title >= y + height
            assert apart, f"{name} lies over {other}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_thumbnail_is_square_and_small(path: Path) -> None:
    """The page knows thumbnails by the template's name, as .jpg only, and shows them on square cards."""
    picture = path.with_suffix(".jpg")
    assert picture.stat().st_size < 60_000
    with Image.open(picture) as image:
        assert image.format == "JPEG"
        assert image.width == image.height


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_blueprint_is_one_block(path: Path) -> None:
    """The form ComfyUI wants: one node, of the type of the one subgraph, under the file's name."""
    workflow = read(path)
    (node,) = workflow["nodes"]
    (subgraph,) = workflow["definitions"]["subgraphs"]
    assert node["type"] == subgraph["id"]
    assert node["title"] == subgraph["name"] == path.stem
    inner = {str(each["id"]): each for each in subgraph["nodes"]}
    for id_, widget in node["properties"]["proxyWidgets"]:
        assert widget in {entry["name"] for entry in inner[id_]["inputs"]}

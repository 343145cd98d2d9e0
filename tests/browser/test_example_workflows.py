"""The files people open, templates and blueprints, and the tool that checks and tidies them. Needs no ComfyUI."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chinese_templates
import pytest
import thumbnails
import workflows
from PIL import Image
from workflow_faults import HEAD, ROOM, faults_in_comfyui, faults_of_blueprint, faults_of_template
from workflow_wires import TITLE

import gpen_blocks

TEMPLATES = [path for path in workflows.paths() if path.parent.name == "example_workflows"]
BLUEPRINTS = [path for path in workflows.paths() if path.parent.name == "subgraphs"]
Workflow = dict[str, Any]


@pytest.mark.parametrize("path", workflows.paths(), ids=lambda path: path.stem)
def test_nothing_is_wrong(path: Path) -> None:
    assert workflows.faults(path) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_thumbnail_is_square_and_small(path: Path) -> None:
    """The page knows thumbnails by the template's name, as .jpg only, and shows them on square cards."""
    picture = path.with_suffix(".jpg")
    assert picture.stat().st_size < 60_000
    with Image.open(picture) as image:
        assert image.format == "JPEG"
        assert image.width == image.height


def test_every_template_has_a_drawing_and_a_name_in_both_languages() -> None:
    names = chinese_templates.names()
    assert thumbnails.DRAWINGS.keys() == names.keys()
    assert {*names, *names.values()} == {path.stem for path in TEMPLATES}
    assert next(iter(names)) == "Restore a photograph"


def test_chinese_copies_are_in_step() -> None:
    for path, content in chinese_templates.copies():
        assert path.read_bytes() == content, f"{path.name}: run tools/chinese_templates.py"


def test_no_translation_is_left_over() -> None:
    english = [workflows.read(chinese_templates.FOLDER / f"{name}.json") for name in chinese_templates.names()]
    texts = {text for workflow in english for text in chinese_templates.texts_of(workflow)}
    assert set(chinese_templates.texts()) == texts


def node_of(workflow: Workflow, type_: str) -> Workflow:
    return next(node for node in workflow["nodes"] if node["type"] == type_)


def cut_a_wire_on_one_side(workflow: Workflow) -> None:
    node_of(workflow, "SaveImage")["inputs"][0]["link"] = None


def lead_a_wire_astray(workflow: Workflow) -> None:
    workflow["links"][0][3] = 999


def carry_another_type(workflow: Workflow) -> None:
    workflow["links"][0][5] = "LATENT"


def forget_a_wire(workflow: Workflow) -> None:
    del workflow["links"][0]


def remove_the_note(workflow: Workflow) -> None:
    workflow["nodes"].remove(node_of(workflow, "MarkdownNote"))


def leave_the_groups(workflow: Workflow) -> None:
    node_of(workflow, "SaveImage")["pos"] = [9000, 9000]


def lie_over_another(workflow: Workflow) -> None:
    node_of(workflow, "SaveImage")["pos"] = node_of(workflow, "GPENFaceRestore")["pos"]


def begin_where_another_grows(workflow: Workflow) -> None:
    below, above = node_of(workflow, "PreviewImage"), node_of(workflow, "GPENFaceRestore")
    below["pos"] = [above["pos"][0], above["pos"][1] + above["size"][1] + TITLE + ROOM - 1]


def end_a_group_where_a_block_grows(workflow: Workflow) -> None:
    block = node_of(workflow, "GPENPreset")
    group = next(group for group in workflow["groups"] if group["title"] == "2  Models and settings")
    group["bounding"][3] = block["pos"][1] + block["size"][1] + ROOM - 1 - group["bounding"][1]


def stand_under_the_title_of_a_group(workflow: Workflow) -> None:
    node_of(workflow, "SaveImage")["pos"][1] = workflow["groups"][0]["bounding"][1] + HEAD - 1


def give_a_group_a_title_wider_than_itself(workflow: Workflow) -> None:
    workflow["groups"][0]["title"] = "1  Photograph, models, presets and settings"


def lead_a_wire_through_the_room_of_a_block(workflow: Workflow) -> None:
    block, reroute = node_of(workflow, "GPENFaceRestore"), workflow["extra"]["reroutes"][0]
    (x, y), (width, height) = block["pos"], block["size"]
    reroute["pos"] = [x + width // 2, y + height + ROOM // 2]


def load_ones_own_picture(workflow: Workflow) -> None:
    node_of(workflow, "LoadImage")["widgets_values"][0] = "holiday.jpg"


def load_ones_own_model(workflow: Workflow) -> None:
    node_of(workflow, "GPENLoadModel")["widgets_values"][0] = "my-model.pth"


def use_another_pack(workflow: Workflow) -> None:
    node_of(workflow, "PreviewImage")["properties"]["cnr_id"] = "some-pack"


def use_a_subgraph(workflow: Workflow) -> None:
    workflow["definitions"] = {"subgraphs": [{"id": "x"}]}


def lead_a_wire_behind_a_node(workflow: Workflow) -> None:
    del workflow["extra"]["reroutes"], workflow["extra"]["linkExtensions"]


def show_a_node_that_is_not_there(workflow: Workflow) -> None:
    workflow["extra"]["linearData"] = {"inputs": [[99, "image"]], "outputs": []}


def use_an_id_twice(workflow: Workflow) -> None:
    node_of(workflow, "SaveImage")["id"] = node_of(workflow, "LoadImage")["id"]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (cut_a_wire_on_one_side, "not known to both of its ends"),
        (lead_a_wire_astray, "leads to a node or slot that is not there"),
        (carry_another_type, "carries LATENT"),
        (forget_a_wire, "has a wire 1 that is not there"),
        (remove_the_note, "one Markdown note"),
        (leave_the_groups, "is in no group"),
        (lie_over_another, "lies over"),
        (begin_where_another_grows, f"begins in the {ROOM} px below GPENFaceRestore"),
        (end_a_group_where_a_block_grows, f"lacks the {ROOM} px"),
        (stand_under_the_title_of_a_group, f"less than {HEAD} px below the top"),
        (give_a_group_a_title_wider_than_itself, "is wider than the group"),
        (lead_a_wire_through_the_room_of_a_block, "runs behind GPENFaceRestore"),
        (load_ones_own_picture, "loads holiday.jpg"),
        (load_ones_own_model, "loads my-model.pth"),
        (use_another_pack, "not marked as a node of comfy-core"),
        (use_a_subgraph, "has a subgraph"),
        (use_an_id_twice, "same id"),
        (lead_a_wire_behind_a_node, "runs behind Faces before"),
        (show_a_node_that_is_not_there, "something of node 99"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_spoilt_template_is_found_out(spoil: Callable[[Workflow], None], sentence: str) -> None:
    workflow = workflows.read(workflows.ROOT / "example_workflows" / "Restore a photograph.json")
    spoil(workflow)
    assert any(sentence in fault for fault in faults_of_template(workflow))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda file: file["nodes"][0].update(type="another"), "of the type of the one subgraph"),
        (lambda file: file["definitions"]["subgraphs"][0].update(name="Another"), "is called Another"),
        (lambda file: file["nodes"][0]["properties"]["proxyWidgets"].append(["1", "zoom"]), "shows a widget zoom"),
        (lambda file: file["definitions"]["subgraphs"][0]["inputs"][0]["linkIds"].pop(), "not known to both"),
        (lambda file: file["definitions"]["subgraphs"][0]["links"].pop(0), "has a wire 1 that is not there"),
    ],
)
def test_a_spoilt_blueprint_is_found_out(spoil: Callable[[Workflow], None], sentence: str) -> None:
    path = workflows.ROOT / "subgraphs" / "Restore faces with GPEN.json"
    workflow = workflows.read(path)
    spoil(workflow)
    assert any(sentence in fault for fault in faults_of_blueprint(workflow, path.stem))


INFO = {
    "GPENThing": {
        "input": {
            "required": {"image": ["IMAGE", {}], "mode": ["COMBO", {"options": ["soft", "hard"], "default": "soft"}]},
            "optional": {"mask": ["MASK", {}], "share": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0}]},
        },
        "input_order": {"required": ["image", "mode"], "optional": ["mask", "share"]},
        "output_name": ["image", "count"],
        "output": ["IMAGE", "INT"],
    }
}


def thing(**changes: Any) -> Workflow:
    """A node of that type, saved before it had its optional inputs and its second output."""
    node = {"id": 2, "type": "GPENThing", "pos": [10.4, 20.6], "size": [300.2, 100], "flags": {}, "order": 7, "mode": 0}
    node["inputs"] = [
        {"name": "mode", "localized_name": "模式", "type": "COMBO", "widget": {"name": "mode"}, "link": None},
        {"name": "image", "localized_name": "图像", "type": "IMAGE", "link": 1},
    ]
    node["outputs"] = [{"name": "image", "localized_name": "图像", "type": "IMAGE", "links": None}]
    node["properties"] = {"ver": "0.0.1", "ue_properties": {}}
    return {**node, "widgets_values": ["hard"], **changes}


def test_tidying_adds_what_a_node_has_gained_and_leaves_out_what_the_page_adds() -> None:
    source = {**thing(id=1), "inputs": [], "outputs": [{"name": "image", "type": "IMAGE", "links": [1]}]}
    saved = {
        "id": "x",
        "revision": 9,
        "nodes": [thing(), source],
        # The socket is the page's second slot, as it counts the widget too.
        "links": [[1, 1, 0, 2, 1, "IMAGE"]],
        "groups": [{"id": 1, "title": "All", "bounding": [0.2, 0, 900, 900], "color": "#888", "flags": {}}],
        "extra": {"ds": {"scale": 0.123, "offset": [1, 2]}, "frontendVersion": "1.2.3"},
    }
    tidied = workflows.tidy(copy.deepcopy(saved), INFO)
    first, second = tidied["nodes"]
    assert (first["id"], second["id"], second["pos"], second["size"]) == (1, 2, [10, 21], [300, 100])
    assert second["inputs"] == [
        {"name": "image", "type": "IMAGE", "link": 1},
        {"name": "mask", "type": "MASK", "link": None, "shape": 7},
    ]
    assert tidied["links"] == [[1, 1, 0, 2, 0, "IMAGE"]]
    assert [output["name"] for output in second["outputs"]] == ["image", "count"]
    assert second["widgets_values"] == ["hard", 0.5]
    assert second["properties"] == {"cnr_id": "gpen-blocks", "ver": gpen_blocks.__version__}
    assert tidied["revision"] == 0 and tidied["extra"].keys() == {"ds"}
    assert workflows.tidy(copy.deepcopy(tidied), INFO) == tidied


def test_a_workflow_opens_as_a_whole_or_at_its_corner_where_the_whole_is_too_small_to_read() -> None:
    small, wide = [(0, 30, 1400, 375), (1400, 30, 350, 375)], [(0, 30, 9000, 900)]
    assert workflows._view(small) == {"scale": 0.8, "offset": [100, 138]}
    assert workflows._view(wide) == {"scale": 0.6, "offset": [133, 183]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"type": "Other"}, "has no node Other"),
        ({"widgets_values": ["hard"]}, "has 1 values, and its widgets take 2"),
        ({"widgets_values": ["loud", 0.5]}, "no choice loud in mode"),
        ({"widgets_values": ["hard", 1.5]}, "takes no 1.5 for share"),
        ({"widgets_values": ["hard", "much"]}, "takes no 'much' for share"),
        ({"widgets_values": ["hard", 0.5], "inputs": []}, "needs a wire to image"),
    ],
)
def test_what_comfyui_would_refuse_is_found_out(changes: Workflow, sentence: str) -> None:
    assert any(sentence in fault for fault in faults_in_comfyui([thing(**changes)], INFO))


def test_a_node_that_comfyui_takes_has_no_fault() -> None:
    assert list(faults_in_comfyui([thing(widgets_values=["hard", 0.25])], INFO)) == []

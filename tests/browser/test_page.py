"""The package in ComfyUI's page: templates from the template browser, faces chosen by clicking, help, languages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chinese_templates
import numpy as np
import pytest
import workflows
from comfyui_server import PACK

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.faces.select import parse_indices

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = list(chinese_templates.names())
CROWD = "Choose a face in a crowd"
CHOSEN = "The chosen face restored"

PICKER = """
    const node = app.graph._nodes.find((each) => each.type === "GPENSelectFaces");
    const view = node.widgets.find((each) => each.name === "gpen_faces").element;
    const field = node.widgets.find((each) => each.name === "indices");
"""


def indices(comfy: Any) -> str:
    return comfy.js(PICKER + "return field.value")


def status(comfy: Any) -> str:
    return comfy.js(PICKER + "return view.querySelector('span').textContent")


def click_face(comfy: Any, x: float, y: float, **options: Any) -> None:
    """Click where a pixel of the picture is shown, as a hand would."""
    place = comfy.js(
        PICKER
        + """
        const canvas = view.querySelector("canvas"), rect = canvas.getBoundingClientRect();
        const [width, height] = given.size, scale = Math.min(rect.width / width, rect.height / height);
        return [rect.left + (rect.width - width * scale) / 2 + given.x * scale,
                rect.top + (rect.height - height * scale) / 2 + given.y * scale];
        """,
        {"x": x, "y": y, "size": [1180, 740]},
    )
    if options.pop("shift", False):
        comfy.page.keyboard.down("Shift")
    comfy.page.mouse.click(*place)
    comfy.page.keyboard.up("Shift")
    comfy.page.wait_for_timeout(300)


def result(comfy: Any, title: str) -> np.ndarray:
    """The picture that a node of the page shows."""
    (picture,) = comfy.pictures(title)
    return picture[..., :3].astype(float)


# A point within each face of the crowd, from left to right.
FACES = ((227, 511), (399, 245), (581, 511), (781, 230), (948, 499))


def changed(before: np.ndarray, after: np.ndarray) -> list[bool]:
    """Which faces of the crowd differ, be it by one level."""
    places = (np.s_[y - 40 : y + 40, x - 40 : x + 40] for x, y in FACES)
    return [bool((before[place] != after[place]).any()) for place in places]


def as_read(comfyui: Any, name: str) -> np.ndarray:
    """A picture of the templates as this ComfyUI reads it; versions differ in how they decode JPEG."""
    run = comfyui.run(
        {
            "load": {"class_type": "LoadImage", "inputs": {"image": name}},
            "show": {"class_type": "PreviewImage", "inputs": {"images": ["load", 0]}},
        }
    )
    return comfyui.pictures(run, "show")[0].astype(float)


@pytest.fixture(scope="module")
def crowd(comfyui: Any) -> np.ndarray:
    return as_read(comfyui, "gpen-example-group.jpg")


@pytest.fixture(scope="module")
def snapshot(comfyui: Any) -> np.ndarray:
    return as_read(comfyui, "gpen-example-snapshot-1990s.jpg")


def test_a_new_user_opens_a_template_presses_run_and_sees_the_faces_restored(comfy: Any, snapshot: np.ndarray) -> None:
    comfy.open()
    comfy.js("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    dialog = comfy.page.locator("[role=dialog]")
    for category in ("Custom Nodes", "GPEN Blocks"):
        entry = dialog.get_by_text(category, exact=True)
        # Which of the two there are depends on the version.
        comfy.page.wait_for_timeout(3000)
        if entry.count() and entry.first.is_visible():
            entry.first.click()
    card = dialog.get_by_text("Restore a photograph", exact=True)
    card.first.wait_for(timeout=30_000)
    comfy.page.wait_for_timeout(1500)
    comfy.keep("templates")
    card.first.click()
    comfy.page.wait_for_function("window.app.graph._nodes.some((node) => node.type === 'GPENFaceRestore')")
    comfy.page.wait_for_timeout(1500)
    button = comfy.page.get_by_test_id("queue-button")
    comfy.follow(lambda: button.get_by_role("button").or_(button).first.click())
    comfy.keep("restored")
    difference = np.abs(result(comfy, "The restored photograph") - snapshot).max(axis=-1)
    assert difference[200:370, 340:450].max() > 8 and difference[240:420, 600:710].max() > 8, "a face is as it was"
    assert difference[480:].max() == 0, "pixels far from the faces have changed"
    assert not comfy.errors


def _without_own_ways(workflow: dict[str, Any]) -> dict[str, Any]:
    """A workflow without what Save Video decides itself: its height, and the widgets behind that of its format."""
    nodes = [
        {**node, "size": None, "widgets_values": node["widgets_values"][:2]} if node["type"] == "SaveVideo" else node
        for node in workflow["nodes"]
    ]
    return {**workflow, "nodes": nodes}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_open_with_all_their_wires(comfy: Any, name: str) -> None:
    """A slot that was renamed or moved would lose its wire without a word."""
    comfy.open()
    workflow = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8"))
    known = comfy.server.get("/object_info")
    comfy.load(name)
    comfy.keep(f"template-{name}")
    types = {str(node["id"]): node["type"] for node in workflow["nodes"]}
    wires = {(str(start), slot, str(end)) for _, start, slot, end, _, _ in workflow["links"]}
    prompt = comfy.prompt()
    queued = {
        (value[0], value[1], id_)
        for id_, node in prompt.items()
        for value in node["inputs"].values()
        if isinstance(value, list) and len(value) == 2 and str(value[0]) in types
    }
    assert queued == wires
    for id_, node in prompt.items():
        wanted = known[node["class_type"]]["input"].get("required", {})
        assert set(wanted) <= set(node["inputs"]), f"{types[id_]} lacks inputs"
    assert not comfy.errors
    # What somebody saves who has changed nothing is, tidied, the file.
    saved = comfy.js("return JSON.parse(JSON.stringify(app.graph.serialize()))")
    assert _without_own_ways(workflows.tidy(saved, known)) == _without_own_ways(workflow)


def test_nodes_2_0_do_not_cover_each_other(comfy: Any) -> None:
    """There the page makes nodes as tall as their widgets need, whatever the file says."""
    if _too_old_for_vue(comfy):
        pytest.skip("this ComfyUI shows no Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": True})
    for name in TEMPLATES:
        comfy.load(name)
        comfy.page.wait_for_timeout(1000)
        boxes = comfy.js("""
            return app.graph._nodes.map(({ id, pos, type }) => {
                const { offsetWidth, offsetHeight } = document.querySelector(`[data-node-id="${id}"]`);
                return [type, pos[0], pos[1], offsetWidth, offsetHeight];
            });
        """)
        for index, (node, x, y, width, height) in enumerate(boxes):
            for other, other_x, other_y, other_width, other_height in boxes[:index]:
                apart = x >= other_x + other_width or other_x >= x + width
                apart |= y >= other_y + other_height or other_y >= y + height
                assert apart, f"{name}: {node} lies over {other}"
        comfy.keep(f"nodes-2.0-{name}")


def test_the_spectrum_lab_shows_its_pictures(comfy: Any) -> None:
    """Both spectra, the chart, the gain and the face come out of a run, in the page of a user."""
    comfy.open()
    comfy.load("Spectrum lab")
    comfy.run()
    comfy.keep("spectrum-lab")
    before, after = result(comfy, "Before: how much of which fineness"), result(comfy, "After")
    assert before.shape == after.shape == (780, 900, 3) and np.abs(before - after).mean() > 1
    assert result(comfy, "Power over frequency").shape == (720, 1000, 3)
    face, raised = result(comfy, "Face after"), result(comfy, "Where detail was raised")
    assert face.shape == raised.shape and raised.max() > 25
    assert not comfy.errors


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])
def test_a_click_on_a_face_chooses_it(comfy: Any, crowd: np.ndarray, vue: bool) -> None:
    if vue and _too_old_for_vue(comfy):
        pytest.skip("this ComfyUI shows no DOM widgets in Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue})
    comfy.load(CROWD)
    comfy.run()
    assert status(comfy) == "1 of 5 faces"
    assert changed(crowd, result(comfy, CHOSEN)) == [False, True, False, False, False]
    click_face(comfy, *FACES[0])
    assert indices(comfy) == "0,1"
    click_face(comfy, *FACES[2])
    assert indices(comfy) == "0-2"
    click_face(comfy, *FACES[1])
    assert (indices(comfy), status(comfy)) == ("0,2", "2 of 5 faces")
    comfy.run()
    comfy.keep(f"clicked-{'nodes-2.0' if vue else 'canvas'}")
    assert changed(crowd, result(comfy, CHOSEN)) == [True, False, True, False, False]
    assert not comfy.errors


def _too_old_for_vue(comfy: Any) -> bool:
    return comfy.server.version < (0, 4)


def test_clicks_while_all_are_chosen(comfy: Any) -> None:
    """An empty field means all: a click then takes one face alone, with Shift all others; the last one off is all."""
    comfy.open()
    comfy.load(CROWD)
    comfy.js(PICKER + "field.value = ''")
    comfy.run()
    assert status(comfy) == "all 5 faces"
    click_face(comfy, *FACES[1])
    assert indices(comfy) == "1"
    click_face(comfy, *FACES[1])
    assert (indices(comfy), status(comfy)) == ("", "all 5 faces")
    click_face(comfy, *FACES[1], shift=True)
    assert indices(comfy) == "0,2-4"
    click_face(comfy, 1150, 60)
    assert indices(comfy) == "0,2-4", "a click beside the faces did something"


def test_the_text_field_says_the_same_as_clicks(comfy: Any) -> None:
    comfy.open()
    comfy.load(CROWD)
    comfy.run()
    for text, told in (
        ("0-1", "2 of 5 faces"),
        ("", "all 5 faces"),
        ("9", "0 of 5 faces"),
        ("2-", "cannot be read"),
    ):
        comfy.js(PICKER + "field.value = given; field.callback?.(given)", text)
        assert told in status(comfy), text
    comfy.js(PICKER + "const order = node.widgets[0]; order.value = 'score'; order.callback?.('score')")
    comfy.js(PICKER + "field.value = '1'; field.callback?.('1')")
    assert "run again" in status(comfy)
    click_face(comfy, *FACES[0])
    assert indices(comfy) == "1", "a click on numbers of another order was taken"


def test_a_choice_is_saved_zoomed_and_undone(comfy: Any) -> None:
    """The view itself leaves no trace in the file or the queue."""
    comfy.open()
    comfy.load(CROWD)
    comfy.run()
    comfy.js("app.canvas.ds.scale = 0.4; app.canvas.ds.offset = [200, 500]; app.canvas.setDirty(true, true)")
    comfy.page.wait_for_timeout(1000)
    click_face(comfy, *FACES[0])
    assert indices(comfy) == "0,1"
    saved = comfy.js("return app.graph.serialize()")
    node = next(node for node in saved["nodes"] if node["type"] == "GPENSelectFaces")
    assert node["widgets_values"] == ["left_to_right", "0,1", 0]
    inputs = comfy.prompt()[str(node["id"])]["inputs"]
    assert set(inputs) == {"faces", "image", "order", "indices", "min_face_size"}
    comfy.js("await app.extensionManager.command.execute('Comfy.Undo')")
    comfy.page.wait_for_timeout(1500)
    assert indices(comfy) == "1"
    comfy.keep("undone")
    assert "1 of 5" in status(comfy), "the picture is gone after an undo"
    comfy.js("await app.loadGraphData(given)", saved)
    assert indices(comfy) == "0,1"


def test_javascript_and_python_read_indices_alike(comfy: Any) -> None:
    comfy.open()
    texts = ["", " ", "0", "0,2-4", " 1 - 3 , 2", "3-1", "a", "-1", "1,", ",", "1-", "12345", "9999", "1.5", "1,1"]
    texts += "０，２－４|0、2–4|0,2~4|0､2～4|0，2—4|0﹐2〜4|0，2−4|　０　，２‐３、４|0,2‑4|0，2ー4".split("|")  # noqa: RUF001, SIM905
    texts += "０，|，|～1|1；2|１．５|３～１|１０００００|1——2|①|٣".split("|")  # noqa: RUF001, SIM905
    read = comfy.js(
        """
        const { parseIndices, formatIndices } = await import(`/extensions/${given.pack}/face_indices.js`);
        return given.texts.map((text) => {
            const parsed = parseIndices(text);
            return parsed && [[...parsed].sort((a, b) => a - b), formatIndices(parsed)];
        });
        """,
        {"pack": PACK, "texts": texts},
    )
    for text, answer in zip(texts, read, strict=True):
        try:
            expected = list(parse_indices(text))
        except SettingsError:
            assert answer is None, text
            continue
        assert answer is not None, text
        assert answer[0] == expected, text
        assert list(parse_indices(answer[1])) == expected, text


def test_help_and_names_in_chinese(comfy: Any) -> None:
    comfy.open(**{"Comfy.Locale": "zh"})
    comfy.load("Restore a photograph")
    names = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))["GPENFaceRestore"]
    shown = comfy.js("""
        const node = app.graph._nodes.find((each) => each.type === "GPENFaceRestore");
        return { title: node.title, outputs: node.outputs.map((slot) => slot.localized_name ?? slot.label) };
    """)
    assert shown["title"] == names["display_name"]
    assert shown["outputs"] == [output["name"] for output in names["outputs"].values()]
    page = comfy.js("return (await fetch(`/extensions/${given}/docs/GPENFaceRestore/zh.md`)).text()", PACK)
    assert page.startswith(f"# {names['display_name']}")
    comfy.keep("chinese")


def test_blueprints_run(comfy: Any) -> None:
    comfy.open()
    if _too_old_for_vue(comfy):
        pytest.skip("this ComfyUI knows no blueprints")
    offered = comfy.server.get("/global_subgraphs")
    ours = {key: entry for key, entry in offered.items() if PACK in json.dumps(entry)}
    assert {entry["name"] for entry in ours.values()} == {path.stem for path in (ROOT / "subgraphs").glob("*.json")}
    for key, entry in ours.items():
        comfy.load_blueprint(json.loads(comfy.server.get(f"/global_subgraphs/{key}")["data"]))
        comfy.run()
        comfy.keep(f"blueprint-{entry['name']}")
        assert result(comfy, "The result").shape == (512, 512, 3)
    assert not comfy.errors

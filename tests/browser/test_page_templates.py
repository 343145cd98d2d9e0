"""How templates look in the page: wires in sight, Chinese copies, and the one that opens as an app."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chinese_templates
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = chinese_templates.names()
APP = "Drop a photograph, get it back"
# The points of each node, 8 pixels apart, that lie on a wire as the page has drawn it.
BEHIND = """
    app.canvas.draw(true, true);
    const { ctx, ds } = app.canvas, graph = app.graph, found = [];
    ctx.save();
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.lineWidth = 1;
    const wires = [...graph.links.values(), ...graph.reroutes.values()].map(({ id, path }) => [id, path]);
    if (wires.some(([, path]) => !path)) throw new Error("a wire was not drawn");
    for (const node of graph._nodes) {
        const element = given ? document.querySelector(`[data-node-id="${node.id}"]`) : null;
        const [width, height] = element ? [element.offsetWidth, element.offsetHeight - 30] : node.size;
        for (const [id, path] of wires)
            for (let y = node.pos[1] - 24; y < node.pos[1] + height - 6; y += 4)
                for (let x = node.pos[0] + 8; x < node.pos[0] + width - 8; x += 8)
                    if (ctx.isPointInStroke(path, x, y)) found.push(`${id} ${node.title} ${x} ${y}`);
    }
    ctx.restore();
    return found;
"""


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])
def test_no_wire_runs_behind_a_node(comfy: Any, vue: bool) -> None:
    if vue and comfy.server.version < (0, 4):
        pytest.skip("this ComfyUI shows no Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue})
    for index, name in enumerate(NAMES):
        if vue and index:
            # Nodes 2.0 keep the sockets of the workflow before where both have a node of the same id.
            comfy.open(**{"Comfy.VueNodes.Enabled": True})
        comfy.load(name)
        # In Nodes 2.0 wires follow when the page has laid the nodes out.
        tries = 10
        while (found := comfy.js(BEHIND, vue)) and tries:
            comfy.page.wait_for_timeout(500)
            tries -= 1
        assert found == [], name
    # The check itself: a node upon a wire.
    comfy.load("Restore a photograph")
    comfy.js("app.graph._nodes.find((each) => each.type === 'GPENLoadModel').pos = [1300, 60]")
    comfy.page.wait_for_timeout(1000)
    assert comfy.js(BEHIND, vue)


def test_templates_open_with_their_texts_in_sight(comfy: Any) -> None:
    """The classic canvas draws no texts at a small scale."""
    comfy.open()
    for name in NAMES:
        if name == APP and comfy.server.version >= (0, 4):
            continue  # opens as an app
        workflow = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8"))
        comfy.js(
            "await app.loadGraphData(given.workflow, true, true, given.name, { openSource: 'template' })",
            {"workflow": workflow, "name": name},
        )
        comfy.page.wait_for_timeout(500)
        shown = comfy.js("""
            const { ds, canvas, low_quality: hidden } = app.canvas;
            const first = app.graph._groups.reduce((a, b) => (b.pos[0] < a.pos[0] ? b : a));
            const [left, top] = [0, 1].map((axis) => (first.pos[axis] + ds.offset[axis]) * ds.scale);
            return { hidden, left, top, width: canvas.clientWidth, height: canvas.clientHeight };
        """)
        assert not shown["hidden"], name
        assert 0 < shown["left"] < shown["width"] / 2 and 0 < shown["top"] < shown["height"] / 2, name
    comfy.keep("template-opened")
    assert not comfy.errors


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])
def test_chinese_copies_are_chinese_throughout(comfy: Any, vue: bool) -> None:
    if vue and comfy.server.version < (0, 4):
        pytest.skip("this ComfyUI shows no Nodes 2.0")
    comfy.open(**{"Comfy.Locale": "zh", "Comfy.VueNodes.Enabled": vue})
    for name in NAMES.values():
        comfy.load(name)
        titles = comfy.js("return [...app.graph._nodes, ...app.graph._groups].map((each) => each.title)")
        assert [title for title in titles if not any("\u4e00" <= letter <= "\u9fff" for letter in title)] == [], name
        comfy.keep(f"zh-{'nodes-2.0' if vue else 'canvas'}-{name}")
    assert not comfy.errors


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_app_takes_a_photograph_and_gives_it_back(comfy: Any, language: str) -> None:
    """Newer pages open the template as an app; for older ones it is a workflow, which other tests run."""
    if comfy.server.version < (0, 4):
        pytest.skip("this ComfyUI has no apps")
    comfy.open(**{"Comfy.Locale": language})
    name = {"en": APP, "zh": NAMES[APP]}[language]
    workflow = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8"))
    comfy.js(
        "await app.loadGraphData(given.workflow, true, true, given.name, { openSource: 'template' })",
        {"workflow": workflow, "name": name},
    )
    comfy.page.wait_for_timeout(3000)
    shown = comfy.js("""
        const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
        const { selectedInputs, selectedOutputs, viewMode } = stores.get("appMode");
        return { inputs: selectedInputs.map(([, name]) => name), outputs: [...selectedOutputs], viewMode };
    """)
    comfy.keep(f"app-{language}")
    assert shown["viewMode"] == "app" and shown["inputs"] == ["image", "preset", "strength"]
    assert len(shown["outputs"]) == 1
    comfy.run()
    comfy.keep(f"app-{language}-restored")
    title = {"en": "The restored photograph", "zh": chinese_templates.texts()["The restored photograph"]}[language]
    (restored,) = comfy.pictures(title)
    assert np.asarray(restored).shape[:2] == (512, 512)
    assert comfy.page.locator("img").evaluate_all(
        "(images) => images.some(({ src, naturalWidth }) => naturalWidth === 512 && src.includes('restored_'))"
    ), "the app does not show the result"
    assert not comfy.errors

"""What the package adds to the page beside its blocks: colours, menus in Chinese, the list of templates, previews."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_server import PACK
from object_info import inputs_of

from gpen_blocks.gpen.presets import bundled_presets
from gpen_blocks.gpen.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "nodes" / "web"
BOTH = pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])


def open_in(comfy: Any, vue: bool, **settings: Any) -> None:
    if vue and comfy.server.version < (0, 4):
        pytest.skip("this ComfyUI shows no Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue}, **settings)


@BOTH
def test_sockets_have_colours_of_their_own_in_every_palette(comfy: Any, vue: bool) -> None:
    open_in(comfy, vue)
    comfy.load("Block by block")
    colours = comfy.js("return (await import(`/extensions/${given}/socket_colours.js`)).COLOURS", PACK)
    info = comfy.server.get("/object_info")
    types = {
        kind
        for name, about in info.items()
        if name.startswith("GPEN")
        for kinds in (*about["output"], *(entry.kind for entry in inputs_of(about)))
        for kind in kinds.split(",")
    }
    assert {kind for kind in types if kind.startswith("GPEN_")} <= colours.keys()
    assert len(set(colours.values())) == len(colours)
    for palette in ("dark", "light", "dark"):
        comfy.js("await app.extensionManager.setting.set('Comfy.ColorPalette', given)", palette)
        comfy.page.wait_for_timeout(1000)
        shown = comfy.js(
            """
            const style = getComputedStyle(document.documentElement);
            return Object.keys(given).map((type) => [
                app.canvas.constructor.link_type_colors[type],
                app.canvas.default_connection_color_byType[type],
                style.getPropertyValue(`--color-datatype-${type}`).trim(),
            ]);
            """,
            colours,
        )
        assert shown == [[colour] * 3 for colour in colours.values()], palette
    if vue:
        dots = comfy.js("""
            const drawn = [...document.querySelectorAll("[data-node-id] *")];
            return drawn.map((each) => getComputedStyle(each).backgroundColor);
        """)
        assert "rgb(244, 162, 192)" in dots, "no socket is drawn in the colour of faces"
    assert not comfy.errors


def test_every_menu_has_chinese_words(comfyui: Any) -> None:
    """All but names of files; and no word is left over."""
    menus = json.loads((WEB / "menus.zh.json").read_text(encoding="utf-8"))
    offered: dict[str, set[str]] = {name: set(setting.choices or ()) for name, setting in SETTINGS.items()}
    for name, about in comfyui.get("/object_info").items():
        for entry in inputs_of(about) if name.startswith("GPEN") else ():
            if entry.kind == "COMBO":
                offered.setdefault(entry.name, set()).update(entry.options["options"])
    offered |= {"preset": set(bundled_presets())} | {name: {"auto"} for name in ("model", "detector", "parser")}
    assert {name: set(words) for name, words in menus.items()} == {
        name: values for name, values in offered.items() if values
    }


@BOTH
def test_menus_speak_chinese_and_values_stay(comfy: Any, vue: bool) -> None:
    open_in(comfy, vue, **{"Comfy.Locale": "zh"})
    comfy.load("Choose a face in a crowd")
    wanted = "从左到右 · left_to_right"
    find = 'const node = app.graph._nodes.find((each) => each.type === "GPENSelectFaces");'
    if vue:
        menu = comfy.page.get_by_text(wanted, exact=True)
        menu.first.wait_for(timeout=10_000)
        menu.first.click()
    else:
        place = comfy.js(
            find
            + """
            app.canvas.draw(true, true);
            const widget = node.widgets.find((each) => each.name === "order"), { ds, canvas } = app.canvas;
            const rect = canvas.getBoundingClientRect();
            const at = [node.pos[0] + node.size[0] / 2, node.pos[1] + (widget.y ?? widget.last_y) + 10];
            return [widget._displayValue, ...at.map((value, axis) =>
                (value + ds.offset[axis]) * ds.scale + (axis ? rect.top : rect.left))];
        """
        )
        assert place[0] == wanted
        comfy.page.mouse.click(*place[1:])
    entry = comfy.page.get_by_text("置信度由高到低 · score", exact=True)
    entry.first.wait_for(timeout=10_000)
    comfy.keep(f"menu-{'nodes-2.0' if vue else 'canvas'}")
    entry.first.click()
    comfy.page.wait_for_timeout(500)
    assert comfy.js(find + "return node.widgets.find((each) => each.name === 'order').value") == "score"
    (queued,) = [node for node in comfy.prompt().values() if node["class_type"] == "GPENSelectFaces"]
    assert queued["inputs"]["order"] == "score"
    assert not comfy.errors


@pytest.mark.parametrize("language", ["en", "zh"])
def test_templates_are_listed_in_order_and_in_the_language_of_the_page(comfy: Any, language: str) -> None:
    comfy.open(**{"Comfy.Locale": language})
    listed = comfy.js("""
        const { api } = await import(new URL("/scripts/api.js", location.href));
        return await api.getWorkflowTemplates();
    """)
    files = {path.stem for path in (ROOT / "example_workflows").glob("*.json")}
    templates = json.loads((WEB / "templates.json").read_text(encoding="utf-8"))
    assert listed[PACK] == [each[language] if each[language] in files else each["en"] for each in templates]
    if language == "en":
        assert listed[PACK][0] == "Restore a photograph"


@BOTH
def test_the_picture_of_a_running_block_goes_when_it_is_done(comfy: Any, vue: bool) -> None:
    open_in(comfy, vue)
    comfy.load("Restore a photograph")
    comfy.js("""
        const { api } = await import(new URL("/scripts/api.js", location.href));
        window.gpenPreviews = 0;
        api.addEventListener("b_preview_with_metadata", () => window.gpenPreviews++);
    """)
    block = 'const node = app.graph._nodes.find((each) => each.type === "GPENFaceRestore");'
    size = comfy.js(block + "return [...node.size]")
    # What has run before would come from the cache.
    comfy.js(block + "node.widgets.find(({ name }) => name === 'strength').value = given", 0.9 if vue else 0.8)
    comfy.run()
    assert comfy.js("return window.gpenPreviews") > 0, "the block has shown no picture to begin with"
    left = comfy.js(
        block
        + """
        const pinia = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia;
        return {
            page: Object.keys(app.nodePreviewImages),
            store: Object.keys(pinia._s.get("nodeOutput").nodePreviewImages ?? {}),
            canvas: node.imgs?.length ?? 0,
            widgets: (node.widgets ?? []).map(({ name }) => name),
            pictures: document.querySelectorAll(`[data-node-id="${node.id}"] img`).length,
            size: [...node.size],
        };
    """
    )
    comfy.keep(f"preview-gone-{'nodes-2.0' if vue else 'canvas'}")
    assert left["page"] == left["store"] == [] and left["canvas"] == left["pictures"] == 0
    assert "$$canvas-image-preview" not in left["widgets"]
    assert vue or left["size"] == size
    assert not comfy.errors

"""The blocks for settings in ComfyUI's page: what their nodes say, and which widgets they show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gpen_blocks.nodes.block_settings import setting_widgets

MAKE = """
    app.graph.clear();
    const node = LiteGraph.createNode(given);
    app.graph.add(node);
    node.pos = [200, 120];
    return node.id;
"""
# Small enough to be seen whole.
WHOLE = "app.canvas.ds.scale = 0.7; app.canvas.ds.offset = [0, 0]; app.canvas.setDirty(true, true);"
# What stands in the node besides the widgets of its inputs.
SAID = """
    const node = app.graph._nodes.find((each) => each.type === given), own = node.constructor.nodeData.input;
    const names = Object.keys({ ...own.required, ...own.optional });
    return node.widgets.filter(({ name }) => !names.includes(name)).map(({ value }) => String(value)).join(" ");
"""


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])
def test_a_saved_preset_shows_where_its_file_lies_also_from_the_cache(comfy: Any, vue: bool) -> None:
    if vue and comfy.server.version < (0, 4):
        pytest.skip("this version has no Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue})
    comfy.js(MAKE, "GPENSavePreset")
    comfy.js("app.graph._nodes[0].widgets.find(({ name }) => name === 'name').value = given", f"seen {vue}")
    comfy.run()
    path = str(comfy.server.base / "user" / "gpen-blocks" / "presets" / f"seen {vue}.json")
    assert path in comfy.js(SAID, "GPENSavePreset")
    prompt = comfy.prompt()
    # The page is loaded afresh and has forgotten what the node said; the result is still in the cache.
    workflow = comfy.js("return app.graph.serialize()")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue})
    comfy.js("await app.loadGraphData(given)", workflow)
    assert comfy.prompt() == prompt and path not in comfy.js(SAID, "GPENSavePreset")
    comfy.run()
    comfy.js(WHOLE)
    comfy.page.wait_for_timeout(1000)
    comfy.keep(f"saved-preset-again-{vue}")
    assert path in comfy.js(SAID, "GPENSavePreset")


def test_all_settings_say_what_came_from_where_and_hide_the_rare_ones(comfy: Any) -> None:
    comfy.open()
    comfy.js(MAKE, "GPENSettings")
    comfy.js("""
        const settings = app.graph._nodes[0], save = LiteGraph.createNode("GPENSavePreset");
        app.graph.add(save);
        save.pos = [800, 120];
        settings.connect(0, save, save.inputs.findIndex(({ name }) => name === "preset"));
        settings.widgets.find(({ name }) => name === "strength").value = 0.5;
        save.widgets.find(({ name }) => name === "overwrite").value = true;
    """)
    comfy.run()
    comfy.js(WHOLE)
    comfy.page.wait_for_timeout(1000)
    comfy.keep("all-settings")
    assert "From this block: strength 0.5." in comfy.js(SAID, "GPENSettings")
    hidden = "return app.graph._nodes[0].widgets.filter((each) => !app.graph._nodes[0].isWidgetVisible(each))"
    advanced = comfy.js(f"{hidden}.map(({{ name }}) => name)")
    if comfy.server.version < (0, 4):
        assert advanced == [], "what older versions hide would leave holes"
        return
    assert advanced == [name for name, widget in setting_widgets("GPENSettings").items() if widget.advanced]
    rows = "return app.graph._nodes[0].widgets.slice(0, 34).filter((each) => app.graph._nodes[0].isWidgetVisible(each))"
    heights = comfy.js(f"{rows}.map((each) => each.y)")
    assert max(np.diff(heights)) < 1.5 * min(np.diff(heights)), "hidden widgets leave holes"
    comfy.js("app.graph._nodes[0].toggleAdvanced()")
    assert comfy.js(f"{hidden}.length") == 0

"""The line that a block says in itself is seen in the page, and the next run's takes its place."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])
def test_what_a_block_says_is_seen(comfy: Any, vue: bool) -> None:
    if vue and comfy.server.version < (0, 4):
        pytest.skip("this ComfyUI shows no lines in Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue})
    comfy.load("Restore a photograph")
    comfy.run()
    line = comfy.page.get_by_text(re.compile(r"\d faces? restored\."))
    line.first.wait_for()
    comfy.keep(f"said-{'vue' if vue else 'canvas'}")
    comfy.js("""
        const node = app.graph._nodes.find(({ type }) => type === "GPENFaceRestore");
        node.widgets.find(({ name }) => name === "indices").value = "7";
    """)
    comfy.run()
    comfy.page.get_by_text("No face has the number 7").first.wait_for()
    assert not line.count()
    comfy.keep(f"said-again-{'vue' if vue else 'canvas'}")
    assert not comfy.errors

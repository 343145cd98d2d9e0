"""The line that a block says in itself is seen in the page, and the next run's takes its place."""

from __future__ import annotations

import re
from typing import Any

import pytest

# The words of a line that the page breaks in two, and the number of rows that it takes.
BROKEN = """
    const text = given.firstChild, range = document.createRange();
    const rows = (start, end) => {
        range.setStart(text, start);
        range.setEnd(text, end);
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size;
    };
    const words = [...text.data.matchAll(/\\S+/g)];
    const broken = words.filter(({ 0: word, index }) => rows(index, index + word.length) > 1);
    return [broken.map(String), rows(0, text.length)];
"""


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


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes-2.0"])
def test_lines_break_between_words(comfy: Any, vue: bool) -> None:
    if vue and comfy.server.version < (0, 4):
        pytest.skip("this ComfyUI shows no lines in Nodes 2.0")
    comfy.open(**{"Comfy.VueNodes.Enabled": vue})
    comfy.load("Set everything yourself")
    # What has run before would come from the cache, without a line.
    comfy.js(
        """
        const node = app.graph._nodes.find(({ type }) => type === "GPENSettings");
        node.widgets.find(({ name }) => name === "levels").value = given;
        """,
        0.5 if vue else 0.4,
    )
    comfy.run()
    line = comfy.page.get_by_text(re.compile("From this block:")).first
    line.wait_for()
    comfy.keep(f"said-broken-{'vue' if vue else 'canvas'}")
    broken, rows = line.evaluate(f"(given) => {{ {BROKEN} }}")
    assert broken == [] and rows > 1

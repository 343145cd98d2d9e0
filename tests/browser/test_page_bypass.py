"""What a bypassed or muted block passes on in the page is what docs/comfyui.md says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bypass import BYPASSED, MUTED, passed_on

PAGE = Path(__file__).resolve().parents[2] / "docs" / "comfyui.md"
ROW = re.compile(r"^\| `(GPEN\w+)` \| (.*?) \|", re.MULTILINE)
PASSED = re.compile(r"`(\w+)` ← `(\w+)`")


def documented() -> dict[str, dict[str, str]]:
    """For each block the outputs that give something when it is bypassed, and the input that they give."""
    section = PAGE.read_text(encoding="utf-8").split("## Bypassed and muted", 1)[1].split("\n## ", 1)[0]
    return {node: dict(PASSED.findall(cell)) for node, cell in ROW.findall(section)}


def test_a_bypass_and_a_mute_do_what_the_page_says(comfy: Any) -> None:
    comfy.open()
    ours = {name for name in comfy.server.get("/object_info") if name.startswith("GPEN")}
    table = documented()
    assert table.keys() == ours
    for node, expected in table.items():
        passed = passed_on(comfy, node, BYPASSED)
        assert {output: source for output, source in passed.items() if source} == expected, node
        assert not any(passed_on(comfy, node, MUTED).values()), node
    # The bench works: a node that is on answers for itself.
    assert all(str(source).startswith("node") for source in passed_on(comfy, "GPENFrequencyBlend", 0).values())
    assert not comfy.errors

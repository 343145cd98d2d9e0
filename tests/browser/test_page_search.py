"""The page's search for nodes: whoever looks for face restoration finds the whole chain before its parts."""

from __future__ import annotations

from typing import Any

import pytest

CHAIN, CROPS = "GPEN Face Restore", "GPEN Restore Crops"
NAMES = ("restore faces", "face restore", "GPEN face")
# Names of other packs and what they do; versions that know no aliases search ids and display names only.
ALIASES = ("FaceDetailer", "ReActor", "GFPGAN", "CodeFormer", "face enhance", "face restoration", "修复人脸")


def found(comfy: Any, query: str) -> list[str]:
    """Our blocks among the results, in their order."""
    comfy.page.locator("input:focus").fill(query)
    comfy.page.wait_for_timeout(1000)
    shown = comfy.js("return [...document.querySelectorAll('[role=option]')].map((entry) => entry.innerText.trim())")
    return [text for text in shown if text.startswith("GPEN")]


@pytest.fixture
def search(comfy: Any) -> Any:
    comfy.open()
    comfy.page.mouse.dblclick(900, 300)
    comfy.page.locator("input:focus").wait_for()
    return comfy


def test_the_chain_comes_first_by_its_name(search: Any) -> None:
    for query in NAMES:
        results = found(search, query)
        assert results and results[0].startswith(CHAIN), query
    search.keep("search")
    assert found(search, "restore crops")[0].startswith(CROPS)


def test_the_chain_is_found_by_what_people_look_for(search: Any) -> None:
    if "search_aliases" not in search.server.get("/object_info/GPENFaceRestore")["GPENFaceRestore"]:
        pytest.skip("this ComfyUI searches ids and display names only")
    for query in ALIASES:
        results = found(search, query)
        assert results and results[0].startswith(CHAIN), query

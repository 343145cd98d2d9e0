"""Names, tooltips and help pages in both languages. All but the comparison with ComfyUI needs no ComfyUI."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from english_locale import texts as texts_of

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("en", "zh")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def nodes(language: str) -> dict[str, dict]:
    return json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))


def texts(entry: Any, path: str = "") -> dict[str, str]:
    """The leaves of nested JSON, by their path."""
    if isinstance(entry, str):
        return {path: entry}
    return {key: text for name, inner in entry.items() for key, text in texts(inner, f"{path}/{name}").items()}


def help_page(node: str, language: str) -> str:
    name = f"{node}.md" if language == "en" else f"{node}/{language}.md"
    return (ROOT / "nodes" / "web" / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["nodeDefs.json", "main.json"])
def test_the_languages_say_the_same_things(file: str) -> None:
    english, chinese = (
        texts(json.loads((ROOT / "locales" / language / file).read_text(encoding="utf-8"))) for language in LANGUAGES
    )
    assert english.keys() == chinese.keys()
    for path, text in chinese.items():
        assert CHINESE.search(text), f"{path} is not translated"
    for path, text in {**english, **chinese}.items():
        # The page's translator takes these four for its own syntax.
        assert not set("{}@|") & set(text), path
        assert text.strip(), path


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_has_a_help_page_that_names_its_sockets(language: str) -> None:
    for node, entry in nodes(language).items():
        page = help_page(node, language)
        assert page.startswith(f"# {entry['display_name']}\n"), node
        english = nodes("en")[node]
        for name in [*english["inputs"], *(output["name"] for output in english["outputs"].values())]:
            assert f"`{name}`" in page, f"the page of {node} does not tell about {name}"


def test_no_help_page_is_left_over() -> None:
    docs = ROOT / "nodes" / "web" / "docs"
    assert {path.stem for path in docs.glob("*.md")} == {path.name for path in docs.iterdir() if path.is_dir()}
    assert {path.stem for path in docs.glob("*.md")} == set(nodes("en"))


def test_english_is_what_the_nodes_say_of_themselves(comfyui: Any) -> None:
    """Every node, input and output is covered, and no text has gone stale."""
    assert texts_of(comfyui.get("/object_info")) == nodes("en"), "run tools/english_locale.py"

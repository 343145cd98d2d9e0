"""Writes the Chinese copies of the workflow templates, with their thumbnails.

    python tools/chinese_templates.py

ComfyUI translates the names of nodes, and no titles, notes and groups. template_texts.zh.json has the translation of
each of these, and nodes/web/templates.json the names of the templates in both languages.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workflows import ROOT, read, rendered

FOLDER = ROOT / "example_workflows"
_TEXTS = Path(__file__).resolve().with_name("template_texts.zh.json")
_NAMES = ROOT / "nodes" / "web" / "templates.json"
# The number of a group, in front of its title.
_NUMBER = re.compile(r"^\d+  ")


def names() -> dict[str, str]:
    """The English and the Chinese name of each template, in the order of the list."""
    return {each["en"]: each["zh"] for each in json.loads(_NAMES.read_text(encoding="utf-8"))}


def texts() -> dict[str, str]:
    """Every text of the English templates, with its translation."""
    return json.loads(_TEXTS.read_text(encoding="utf-8"))


def texts_of(workflow: dict[str, Any]) -> Iterator[str]:
    """The texts of a template that the page shows as they stand in the file."""
    for group in workflow["groups"]:
        yield _NUMBER.sub("", group["title"])
    for node in workflow["nodes"]:
        if "title" in node:
            yield node["title"]
        if node["type"] == "MarkdownNote":
            yield node["widgets_values"][0]


def translated(workflow: dict[str, Any], name: str, words: Mapping[str, str]) -> dict[str, Any]:
    """A template in Chinese.

    Args:
        workflow: the English one.
        name: the Chinese one's.
        words: the translation of each text.

    Raises:
        KeyError: a text has no translation.
    """
    groups = [
        {**group, "title": f"{''.join(_NUMBER.findall(group['title']))}{words[_NUMBER.sub('', group['title'])]}"}
        for group in workflow["groups"]
    ]
    nodes = [
        {
            **node,
            **({"title": words[node["title"]]} if "title" in node else {}),
            **({"widgets_values": [words[node["widgets_values"][0]]]} if node["type"] == "MarkdownNote" else {}),
        }
        for node in workflow["nodes"]
    ]
    return {**workflow, "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)), "nodes": nodes, "groups": groups}


def copies() -> Iterator[tuple[Path, bytes]]:
    """Every file of the Chinese copies, with its content."""
    words = texts()
    for english, chinese in names().items():
        source, target = (FOLDER / f"{name}.json" for name in (english, chinese))
        yield target, rendered(translated(read(source), chinese, words)).encode()
        yield target.with_suffix(".jpg"), source.with_suffix(".jpg").read_bytes()


def main() -> None:
    for path, content in copies():
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
            print(f"{path.name}: written")


if __name__ == "__main__":
    main()

"""Checks and tidies the workflows that come with the package: example_workflows/*.json and subgraphs/*.json.

    python tools/workflows.py check                          # what can be seen without ComfyUI
    python tools/workflows.py check http://127.0.0.1:8188    # also nodes, wires and values, and what is not a default
    python tools/workflows.py tidy http://127.0.0.1:8188     # rewrite the files that are not tidy

To change a workflow or to add one, make it in ComfyUI, export it into the folder, tidy it, check it, and draw its
thumbnail with tools/thumbnails.py. A template is listed in nodes/web/templates.json, and tools/chinese_templates.py
writes its Chinese copy. Tidying leaves out what the page adds of its own (translated names, its place on the
screen, versions of the page), and adds inputs, outputs and widgets that nodes have gained since.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfyui_client import Client
from object_info import Info, Input, inputs_of
from workflow_faults import faults_in_comfyui, faults_of_blueprint, faults_of_template, values_of
from workflow_wires import TITLE

import gpen_blocks

Workflow = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
_PROPERTIES = ("cnr_id", "Node name for S&R", "models", "proxyWidgets")
# What most screens show of a workflow between the toolbars, and its corner, in pixels.
_SCREEN, _CORNER = (1400, 750), (80, 110)
# At less, the classic canvas draws no texts.
_LEAST_SCALE = 0.6
# What makes a workflow open as an app, with these inputs and outputs.
_APP = ("linearMode", "linearData")
# How the page marks the socket of an optional input.
_OPTIONAL_SHAPE = 7


def paths() -> list[Path]:
    """All files, templates first."""
    return [path for folder in ("example_workflows", "subgraphs") for path in sorted((ROOT / folder).glob("*.json"))]


def read(path: Path) -> Workflow:
    return json.loads(path.read_text(encoding="utf-8"))


def rendered(workflow: Workflow) -> str:
    """The text of a file."""
    return f"{json.dumps(workflow, indent=1, ensure_ascii=False)}\n"


def write(path: Path, workflow: Workflow) -> None:
    path.write_text(rendered(workflow), encoding="utf-8", newline="\n")


def is_blueprint(workflow: Workflow) -> bool:
    """Whether the file is a block of the node library: one node, whose type is a subgraph defined in the file."""
    return "definitions" in workflow and bool(workflow["definitions"].get("subgraphs"))


def tidy(workflow: Workflow, info: Info) -> Workflow:
    """A saved workflow without what changes from one save to the next, and with what its nodes have gained since.

    Args:
        workflow: as the page saves it.
        info: the node types of a running ComfyUI.
    """
    if is_blueprint(workflow):
        subgraphs = [
            {**subgraph, "nodes": _tidy_nodes(subgraph["nodes"], info, keep_widgets=True)[0]}
            for subgraph in workflow["definitions"]["subgraphs"]
        ]
        nodes, _ = _tidy_nodes(workflow["nodes"], info, keep_widgets=True)
        extra = {name: value for name, value in workflow["extra"].items() if name.startswith("Blueprint")}
        whole = {**workflow, "revision": 0, "nodes": nodes, "definitions": {"subgraphs": subgraphs}, "extra": extra}
        return {name: value for name, value in whole.items() if value or name not in ("groups", "config")}
    nodes, slots = _tidy_nodes(workflow["nodes"], info, keep_widgets=False)
    links = [
        [link, start, start_slot, end, slots[end][end_slot], kind]
        for link, start, start_slot, end, end_slot, kind in sorted(workflow["links"])
    ]
    groups = [
        {
            **{name: group[name] for name in ("id", "title")},
            "bounding": [round(value) for value in group["bounding"]],
            **{name: group[name] for name in ("color", "flags") if name in group},
        }
        for group in workflow["groups"]
    ]
    return {
        "id": workflow["id"],
        "revision": 0,
        "last_node_id": max(node["id"] for node in nodes),
        "last_link_id": max((link[0] for link in links), default=0),
        "nodes": nodes,
        "links": links,
        "groups": groups,
        "config": {},
        "extra": {
            "ds": _view([*(_box(node) for node in nodes), *(group["bounding"] for group in groups)]),
            **_reroutes(workflow.get("extra", {})),
            **{name: workflow["extra"][name] for name in _APP if name in workflow.get("extra", {})},
        },
        "version": 0.4,
    }


def faults(path: Path, info: Info | None = None) -> list[str]:
    """What is wrong with a file, a sentence each.

    Args:
        path: in example_workflows or subgraphs.
        info: the node types of a running ComfyUI; without them, only what can be seen without one.
    """
    workflow = read(path)
    if path.parent.name == "subgraphs":
        found = list(faults_of_blueprint(workflow, path.stem))
    else:
        found = list(faults_of_template(workflow))
    if info is not None:
        found += faults_in_comfyui(_nodes(workflow), info)
        if not found and tidy(workflow, info) != workflow:
            found.append("It is not tidy.")
    return found


def _nodes(workflow: Workflow) -> list[dict[str, Any]]:
    """The nodes that a file is made of, those of a subgraph in the place of its block."""
    if is_blueprint(workflow):
        return [node for subgraph in workflow["definitions"]["subgraphs"] for node in subgraph["nodes"]]
    return workflow["nodes"]


def chosen_values(workflow: Workflow, info: Info) -> Iterator[str]:
    """The values of this package's nodes that are not defaults: what somebody chose, or what a default once was."""
    for node in _nodes(workflow):
        if node["type"].startswith("GPEN"):
            widgets = [entry for entry in inputs_of(info[node["type"]]) if entry.is_widget]
            for entry, value in values_of(node, widgets):
                if value != entry.default:
                    yield f"{node['type']}.{entry.name} is {value!r}, by default {entry.default!r}"


def _tidy_nodes(
    nodes: list[dict[str, Any]], info: Info, *, keep_widgets: bool
) -> tuple[list[dict[str, Any]], dict[int, dict[int, int]]]:
    """Nodes by id, and for each where its inputs have gone: old slot to new slot."""
    tidied, slots = [], {}
    for order, node in enumerate(sorted(nodes, key=lambda node: node["id"])):
        about = info.get(node["type"])
        expected = [entry for entry in inputs_of(about) if not entry.is_view] if about else []
        inputs, slots[node["id"]] = _tidy_inputs(node.get("inputs", []), expected, keep_widgets or about is None)
        tidied.append(
            {
                "id": node["id"],
                "type": node["type"],
                **{name: [round(value) for value in node[name]] for name in ("pos", "size")},
                "flags": node["flags"],
                "order": order,
                "mode": node["mode"],
                "inputs": inputs,
                "outputs": _tidy_outputs(node.get("outputs", []), about),
                **{name: node[name] for name in ("title", "showAdvanced") if node.get(name)},
                "properties": _tidy_properties(node, about),
                "widgets_values": _values(node.get("widgets_values") or [], expected),
                **{name: node[name] for name in ("color", "bgcolor") if node.get(name)},
            }
        )
    return tidied, slots


def _tidy_properties(node: dict[str, Any], about: dict[str, Any] | None) -> dict[str, Any]:
    """The properties by which the page finds the pack that a missing node belongs to, and those that do something."""
    properties = {name: node["properties"][name] for name in _PROPERTIES if name in node["properties"]}
    if node["type"].startswith("GPEN") or properties.get("cnr_id") == "gpen-blocks":
        return {**properties, "cnr_id": "gpen-blocks", "ver": gpen_blocks.__version__}
    if about and not about.get("python_module", "").startswith("custom_nodes"):
        return {**properties, "cnr_id": "comfy-core"}
    return properties


def _tidy_inputs(
    saved: list[dict[str, Any]], expected: list[Input], keep_widgets: bool
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    kept, slots = [], {}
    for slot, entry in enumerate(saved):
        if "widget" in entry and entry["link"] is None and not keep_widgets:
            continue
        slots[slot] = len(kept)
        kept.append({name: entry[name] for name in ("name", "type", "widget", "link") if name in entry})
        if entry.get("shape") and "widget" not in entry:
            kept[-1]["shape"] = entry["shape"]
    names = {entry["name"] for entry in kept}
    for entry in expected:
        if entry.name not in names and (keep_widgets or not entry.is_widget):
            widget = {"widget": {"name": entry.name}} if entry.is_widget else {}
            shape = {"shape": _OPTIONAL_SHAPE} if entry.optional and not entry.is_widget else {}
            kept.append({"name": entry.name, "type": entry.kind, **widget, "link": None, **shape})
    return kept, slots


def _tidy_outputs(saved: list[dict[str, Any]], about: dict[str, Any] | None) -> list[dict[str, Any]]:
    outputs = [{"name": entry["name"], "type": entry["type"], "links": entry["links"]} for entry in saved]
    gained = list(zip(about["output_name"], about["output"], strict=True))[len(saved) :] if about else []
    return outputs + [{"name": name, "type": kind, "links": None} for name, kind in gained]


def _values(saved: list[Any], expected: list[Input]) -> list[Any]:
    """Values of widgets; those that a node has gained stand at the end, with their defaults."""
    widgets = [entry for entry in expected if entry.is_widget]
    defaults = [(entry.kind, value) for entry in widgets for value in (entry.default, *entry.companions)]
    whole = [*saved, *(value for _, value in defaults[len(saved) :])]
    # The page writes 1.0 as 1.
    kinds = [kind for kind, _ in defaults] + [""] * (len(whole) - len(defaults))
    return [float(value) if kind == "FLOAT" else value for kind, value in zip(kinds, whole, strict=True)]


def _box(node: dict[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, width and height of a node without its title."""
    return (*node["pos"], *node["size"])


def _reroutes(extra: dict[str, Any]) -> dict[str, Any]:
    """The points that wires are led through, without what the page knows of itself."""
    names = ("id", "parentId", "pos", "linkIds")
    reroutes = [
        {name: entry[name] for name in names if entry.get(name) is not None} for entry in extra.get("reroutes") or []
    ]
    if not reroutes:
        return {}
    for entry in reroutes:
        entry |= {"pos": [round(value) for value in entry["pos"]], "linkIds": sorted(entry["linkIds"])}
    links = [{"id": entry["id"], "parentId": entry["parentId"]} for entry in extra["linkExtensions"]]
    return {
        "reroutes": sorted(reroutes, key=lambda entry: entry["id"]),
        "linkExtensions": sorted(links, key=lambda entry: entry["id"]),
    }


def _view(boxes: list[Any]) -> dict[str, Any]:
    """Where the page looks when it opens the file: at the whole of it, beside and below its toolbars.

    If that would be too small to read, it looks at the top left corner.
    """
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes) - TITLE
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    width, height = _SCREEN
    whole = min(width / (right - left), height / (bottom - top), 1)
    scale = max(round(whole, 2), _LEAST_SCALE)
    return {
        "scale": scale,
        "offset": [round(place / scale) - start for place, start in zip(_CORNER, (left, top), strict=True)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=("check", "tidy"))
    parser.add_argument("url", nargs="?", help="of a running ComfyUI with this package, such as http://127.0.0.1:8188")
    options = parser.parse_args()
    if options.action == "tidy" and not options.url:
        parser.error("to tidy, give the address of a running ComfyUI")
    info = Client(options.url).get("/object_info") if options.url else None
    failed = False
    for path in paths():
        if options.action == "tidy" and info is not None:
            workflow = read(path)
            tidied = tidy(workflow, info)
            if tidied != workflow:
                write(path, tidied)
                print(f"{path.name}: tidied")
            continue
        found = faults(path, info)
        failed |= bool(found)
        for sentence in found or ["nothing is wrong."]:
            print(f"{path.name}: {sentence}")
        for sentence in chosen_values(read(path), info) if info and not found else ():
            print(f"    {sentence}")
    sys.exit(failed)


if __name__ == "__main__":
    main()

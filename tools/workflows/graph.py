"""Workflows as the page saves them, made of nodes that know their defaults from `/object_info`."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpen_blocks

from .object_info import Info, Input, inputs_of

Point = tuple[int, int]
Box = tuple[int, int, int, int]
"""Left, top, width and height."""

# Colours of groups: what goes in or comes out, what restores, and what settings are chosen from.
GREEN, BLUE, PURPLE = "#8A8", "#3f789e", "#88A"

_NAMESPACE = uuid.UUID("5f7f6b0a-6f5e-4b7a-9a55-6a6c1f0e9a01")
_OWN = "gpen-blocks"
# Of a node, above its position.
_TITLE = 30
# What most screens show of a workflow between the toolbars, and its corner, in pixels.
_SCREEN, _CORNER = (1400, 750), (80, 110)
# How the page marks the socket of an optional input.
_OPTIONAL_SHAPE = 7


def identifier(name: str) -> str:
    """A UUID that is always the same for a name, so that a file made anew differs only where its content does."""
    return str(uuid.uuid5(_NAMESPACE, name))


def owner(type_: str) -> dict[str, str]:
    """The properties by which the page finds the pack that a missing node belongs to."""
    return {"cnr_id": _OWN, "ver": gpen_blocks.__version__} if type_.startswith("GPEN") else {"cnr_id": "comfy-core"}


def write(path: Path, workflow: dict[str, Any]) -> None:
    text = json.dumps(workflow, indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8", newline="\n")


@dataclass(frozen=True)
class Output:
    """A socket that wires start from."""

    node: int
    slot: int
    kind: str
    links: list[int]


@dataclass
class Node:
    """A node in a graph; `node["image"]` is its output of that name."""

    id: int
    type: str
    position: Point
    size: Point
    properties: dict[str, Any]
    title: str = ""
    sockets: list[dict[str, Any]] = field(default_factory=list)
    widgets: list[Input] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    outputs: dict[str, Output] = field(default_factory=dict)
    style: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, output: str) -> Output:
        return self.outputs[output]

    def saved(self) -> dict[str, Any]:
        """The node as the page saves it."""
        return {
            "id": self.id,
            "type": self.type,
            "pos": self.position,
            "size": self.size,
            "flags": {},
            # Nodes are added after those they are wired to.
            "order": self.id - 1,
            "mode": 0,
            "inputs": self.sockets,
            "outputs": [
                {"name": name, "type": output.kind, "links": output.links or None}
                for name, output in self.outputs.items()
            ],
            **({"title": self.title} if self.title else {}),
            "properties": self.properties,
            "widgets_values": self.values,
            **self.style,
        }


class Graph:
    """Nodes and wires under a name.

    Args:
        name: of the file.
        info: the node types of a running ComfyUI.
    """

    def __init__(self, name: str, info: Info) -> None:
        self.name = name
        self.nodes: list[Node] = []
        # (id, from node, from slot, to node, to slot, type)
        self.links: list[tuple[int, int, int, int, int, str]] = []
        self._groups: list[dict[str, Any]] = []
        self._info = info

    def note(self, position: Point, size: Point, text: str) -> None:
        """A text for the reader, in Markdown."""
        style = {"color": "#432", "bgcolor": "#000"}
        self.nodes.append(
            Node(len(self.nodes) + 1, "MarkdownNote", position, size, {}, "Note", values=[text], style=style)
        )

    def add(
        self,
        type_: str,
        position: Point,
        size: Point,
        title: str = "",
        properties: dict[str, Any] | None = None,
        **inputs: Any,
    ) -> Node:
        """A node of a type; every input is the value of a widget, or the output of another node.

        Widgets that are not named have their defaults.

        Raises:
            KeyError: this ComfyUI has no node of the type.
            TypeError: the node has no such input.
        """
        about = self._info[type_]
        named = {**owner(type_), "Node name for S&R": type_, **(properties or {})}
        node = Node(len(self.nodes) + 1, type_, position, size, named, title)
        for entry in inputs_of(about):
            if entry.is_view:
                continue
            if entry.is_widget:
                node.widgets.append(entry)
                node.values += [inputs.pop(entry.name, entry.default), *entry.companions]
            else:
                self._add_socket(node, entry, inputs.pop(entry.name, None))
        if inputs:
            raise TypeError(f"{type_} has no input {', '.join(inputs)}")
        for slot, (name, kind) in enumerate(zip(about["output_name"], about["output"], strict=True)):
            node.outputs[name] = Output(node.id, slot, kind, [])
        self.nodes.append(node)
        return node

    def _add_socket(self, node: Node, entry: Input, source: Output | None) -> None:
        link = None if source is None else self.connect(source, node.id, len(node.sockets))
        optional = {"shape": _OPTIONAL_SHAPE} if entry.optional else {}
        node.sockets.append({"name": entry.name, "type": entry.kind, "link": link, **optional})

    def connect(self, source: Output, node: int, slot: int) -> int:
        """A wire to a node's input, and its id."""
        link = len(self.links) + 1
        self.links.append((link, source.node, source.slot, node, slot, source.kind))
        source.links.append(link)
        return link

    def group(self, title: str, box: Box, color: str) -> None:
        """A frame with a heading around the nodes in a box."""
        self._groups.append(
            {"id": len(self._groups) + 1, "title": title, "bounding": box, "color": color, "font_size": 24, "flags": {}}
        )

    def workflow(self) -> dict[str, Any]:
        """The graph as a file that the page opens."""
        return {
            "id": identifier(self.name),
            "revision": 0,
            "last_node_id": len(self.nodes),
            "last_link_id": len(self.links),
            "nodes": [node.saved() for node in self.nodes],
            "links": self.links,
            "groups": self._groups,
            "config": {},
            "extra": {"ds": self._view()},
            "version": 0.4,
        }

    def _view(self) -> dict[str, Any]:
        """Where the page looks when it opens the file: at the whole of it, beside and below its toolbars."""
        boxes = [(*node.position, *node.size) for node in self.nodes] + [group["bounding"] for group in self._groups]
        left, top = min(box[0] for box in boxes), min(box[1] for box in boxes) - _TITLE
        right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
        width, height = _SCREEN
        scale = round(min(width / (right - left), height / (bottom - top), 1), 2)
        return {
            "scale": scale,
            "offset": [round(place / scale) - start for place, start in zip(_CORNER, (left, top), strict=True)],
        }

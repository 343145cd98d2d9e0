"""Blueprints: a graph as one block of ComfyUI's node library, with some of its widgets on the outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .graph import Graph, Node, Output, identifier, owner
from .object_info import Info

# The ends of the wires that lead out of a subgraph, as the page numbers them.
_INSIDE, _OUTSIDE = -10, -20
# Where the page draws the two ends beside the nodes, and how large.
_END_TOP, _END_WIDTH, _ROW = 120, 128, 20


@dataclass(frozen=True)
class Blueprint:
    """A block of the node library.

    Attributes:
        name: of its file and of the block.
        description: a sentence for the library.
        aliases: further words it is found by.
        chosen: with a block that chooses faces by clicking.
        widgets: node type and widget, of those that the block shows itself.
    """

    name: str
    description: str
    aliases: tuple[str, ...]
    chosen: bool
    widgets: tuple[tuple[str, str], ...]

    def workflow(self, info: Info) -> dict[str, Any]:
        """The block as a file: a workflow of one node, whose type is the subgraph defined in it."""
        graph = Graph(self.name, info)
        image = Output(_INSIDE, 0, "IMAGE", [])
        ends = _add_chain(graph, image, self.chosen)
        ids = {node.type: str(node.id) for node in graph.nodes}
        subgraph = self._subgraph(graph, image, ends)
        block = {
            "id": len(graph.nodes) + 1,
            "type": subgraph["id"],
            "pos": [0, 0],
            "size": [300, 60 + 26 * len(self.widgets)],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [{"name": "image", "type": "IMAGE", "link": None}],
            "outputs": [{"name": name, "type": end.kind, "links": []} for name, end in ends.items()],
            "title": self.name,
            "properties": {"proxyWidgets": [[ids[type_], name] for type_, name in self.widgets], **owner("GPEN")},
            "widgets_values": [],
        }
        return {
            "id": identifier(f"{self.name}/file"),
            "revision": 0,
            "last_node_id": block["id"],
            "last_link_id": 0,
            "nodes": [block],
            "links": [],
            "version": 0.4,
            "definitions": {"subgraphs": [subgraph]},
            "extra": {"BlueprintDescription": self.description, "BlueprintSearchAliases": self.aliases},
        }

    def _subgraph(self, graph: Graph, image: Output, ends: Mapping[str, Output]) -> dict[str, Any]:
        out = {name: graph.connect(end, _OUTSIDE, slot) for slot, (name, end) in enumerate(ends.items())}
        left = min(node.position[0] for node in graph.nodes)
        right = max(node.position[0] + node.size[0] for node in graph.nodes)
        return {
            "id": identifier(self.name),
            "version": 1,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": len(graph.nodes) + 1,
                "lastLinkId": len(graph.links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": self.name,
            "inputNode": {"id": _INSIDE, "bounding": [left - 220, _END_TOP, _END_WIDTH, 68]},
            "outputNode": {"id": _OUTSIDE, "bounding": [right + 80, _END_TOP, _END_WIDTH, 88]},
            "inputs": [self._end("inputs", "image", "IMAGE", image.links, (left - 112, _END_TOP + _ROW))],
            "outputs": [
                self._end("outputs", name, ends[name].kind, [link], (right + 100, _END_TOP + _ROW * row))
                for row, (name, link) in enumerate(out.items(), 1)
            ],
            "widgets": [],
            "nodes": [_saved(node) for node in graph.nodes],
            "groups": [],
            "links": list(_wires(graph)),
            "extra": {},
            "category": "Image",
            "description": self.description,
        }

    def _end(self, side: str, name: str, kind: str, links: list[int], place: tuple[int, int]) -> dict[str, Any]:
        id_ = identifier(f"{self.name}/{side}/{name}")
        return {"id": id_, "name": name, "type": kind, "linkIds": links, "pos": place}


def _add_chain(graph: Graph, image: Output, chosen: bool) -> dict[str, Output]:
    """The blocks from detection to paste, and what they give to the outside."""
    model = graph.add("GPENLoadModel", (400, 0), (300, 150))
    detector = graph.add("GPENLoadFaceDetector", (400, 200), (300, 90))
    found = graph.add(
        "GPENDetectFaces",
        (760, 0),
        (300, 290),
        image=image,
        face_detector=detector["face_detector"],
    )
    faces, left = found["faces"], 1120
    if chosen:
        select = graph.add(
            "GPENSelectFaces",
            (left, 0),
            (420, 460),
            faces=faces,
            image=image,
            order="left_to_right",
        )
        faces, left = select["selected"], left + 460
    align = graph.add(
        "GPENAlignFaces",
        (left, 0),
        (300, 170),
        image=image,
        faces=faces,
        gpen_model=model["gpen_model"],
    )
    restore = graph.add(
        "GPENRestoreFaces",
        (left + 360, 0),
        (300, 420),
        gpen_model=model["gpen_model"],
        crops=align["crops"],
    )
    paste = graph.add(
        "GPENPasteFaces",
        (left + 720, 0),
        (300, 260),
        image=image,
        crops=restore["crops"],
        alignment=align["alignment"],
    )
    return {"image": paste["image"], "mask": paste["mask"]}


def _saved(node: Node) -> dict[str, Any]:
    """A node as it is saved within a subgraph, where widgets have sockets too."""
    widgets = [
        {"name": entry.name, "type": entry.kind, "widget": {"name": entry.name}, "link": None} for entry in node.widgets
    ]
    return {**node.saved(), "inputs": [*node.sockets, *widgets]}


def _wires(graph: Graph) -> Iterable[dict[str, Any]]:
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return (dict(zip(names, link, strict=True)) for link in graph.links)


BLUEPRINTS = (
    Blueprint(
        "Restore faces with GPEN",
        "Finds the faces of a picture, restores them and puts them back.",
        ("face restoration", "restore photo", "GFPGAN", "CodeFormer"),
        chosen=False,
        widgets=(
            ("GPENLoadModel", "model"),
            ("GPENLoadFaceDetector", "detector"),
            ("GPENRestoreFaces", "strength"),
        ),
    ),
    Blueprint(
        "Restore chosen faces with GPEN",
        "Restores only some faces of a picture: those that indices names, counted in the chosen order.",
        ("face restoration", "choose face", "select face"),
        chosen=True,
        widgets=(
            ("GPENLoadModel", "model"),
            ("GPENLoadFaceDetector", "detector"),
            ("GPENSelectFaces", "order"),
            ("GPENSelectFaces", "indices"),
            ("GPENRestoreFaces", "strength"),
        ),
    ),
)

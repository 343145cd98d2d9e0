"""What is wrong with a workflow that comes with the package, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from object_info import Info, Input, inputs_of
from workflow_wires import TITLE, wires_behind_nodes

SAMPLED = "gpen-example-diffusion-face.jpg"
"""The picture that stands in for one that a diffusion model would make."""
EXAMPLES = (
    "gpen-example.jpg",
    *(f"gpen-example-{name}.jpg" for name in ("old-print", "group", "small-face", "diffusion-face", "snapshot-1990s")),
    "gpen-example.mp4",
)
"""The pictures and the video that the package puts into ComfyUI's input folder."""

NOTES = ("MarkdownNote", "Note")
SPEAKERS = tuple(
    f"GPEN{name}"
    for name in (
        *("DetectFaces", "SelectFaces", "AlignFaces", "RestoreFaces", "PasteFaces"),
        *("FaceRestore", "RestoreVideo", "Settings", "Preset"),
        *("Colorize", "ProposeScratches", "Inpaint", "FaceMap", "DrawFace", "FaceMasks"),
    )
)
"""The blocks that say a few lines in themselves after a run, for which Nodes 2.0 makes them taller."""
ROOM = 120
"""What such a block may grow by, in pixels."""
HEAD = 90
"""From the top of a group to its nodes, in pixels: its title, their packs' badges, and their titles."""

# What a letter of a group's title takes on average, in pixels: a Latin one, and one that fills a square.
_LETTER, _SQUARE = 11, 24
_LOADERS = ("GPENLoadModel", "GPENLoadFaceDetector")
# The ends of the wires that lead out of a subgraph, as the page numbers them.
_INSIDE, _OUTSIDE = -10, -20

Node = dict[str, Any]


def faults_of_template(workflow: dict[str, Any]) -> Iterator[str]:
    """What a template lacks, so far as it can be seen without ComfyUI."""
    if workflow.get("definitions", {}).get("subgraphs"):
        yield "It has a subgraph. Unpack it, so that a reader sees every block."
    yield from _faults_of_wires(workflow["nodes"], workflow["links"])
    if [node["type"] for node in workflow["nodes"]].count("MarkdownNote") != 1:
        yield "It needs one Markdown note that says what it does."
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        yield from _faults_in_groups(node, workflow["groups"])
        owner = "gpen-blocks" if node["type"].startswith("GPEN") else "comfy-core"
        if node["properties"].get("cnr_id") != owner:
            yield f"{_name(node)} is not marked as a node of {owner}; templates use no other packs."
        if node["type"] in ("LoadImage", "LoadVideo") and node["widgets_values"][0] not in EXAMPLES:
            yield f"{_name(node)} loads {node['widgets_values'][0]}; everybody has {', '.join(EXAMPLES)}."
        if node["type"] in _LOADERS and node["widgets_values"][0] != "auto":
            yield f"{_name(node)} loads {node['widgets_values'][0]}; everybody has what auto finds."
    for group in workflow["groups"]:
        if _length(group["title"]) > group["bounding"][2]:
            yield f"The title of the group {group['title']} is wider than the group."
    yield from _faults_of_room(workflow)
    yield from _faults_of_app(workflow)


def _length(title: str) -> int:
    """The width of a group's title in pixels, about."""
    return sum(_LETTER if letter.isascii() else _SQUARE for letter in title)


def _faults_in_groups(node: Node, groups: list[dict[str, Any]]) -> Iterator[str]:
    """Nodes stand in a group, with room for its title above and for what they say below."""
    around = [group for group in groups if _holds(group["bounding"], node)]
    if not around:
        yield f"{_name(node)} is in no group."
    for group in around:
        if node["pos"][1] < group["bounding"][1] + HEAD:
            yield f"{_name(node)} stands less than {HEAD} px below the top of the group {group['title']}."
        if not _holds(group["bounding"], _grown(node)):
            yield f"{_name(node)} lacks the {ROOM} px for what it says in the group {group['title']}."


def _faults_of_room(workflow: dict[str, Any]) -> Iterator[str]:
    """Nodes and wires keep clear of one another, of what blocks say after a run too."""
    nodes = workflow["nodes"]
    for index, node in enumerate(nodes):
        for other in nodes[:index]:
            if _overlap(node, other):
                yield f"{_name(node)} lies over {_name(other)}."
            elif _overlap(_grown(node), _grown(other)):
                upper, lower = sorted((node, other), key=lambda each: each["pos"][1])
                yield f"{_name(lower)} begins in the {ROOM} px below {_name(upper)} that what it says needs."
    for link, node in wires_behind_nodes({**workflow, "nodes": [_grown(node) for node in nodes]}):
        yield f"Wire {link} runs behind {_name(node)}. Move nodes, or lead it around with a reroute."


def _faults_of_app(workflow: dict[str, Any]) -> Iterator[str]:
    """The inputs and outputs of a workflow that opens as an app are there; the page drops others in silence."""
    by_id = {node["id"]: node for node in workflow["nodes"]}
    app = workflow["extra"].get("linearData", {"inputs": [], "outputs": []})
    for node in [*(node for node, *_ in app["inputs"]), *app["outputs"]]:
        if node not in by_id:
            yield f"The app shows something of node {node}, which is not there."


def faults_of_blueprint(workflow: dict[str, Any], name: str) -> Iterator[str]:
    """What a block of the node library lacks: ComfyUI wants one node, of the type of the one subgraph of that name."""
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    if len(subgraphs) != 1 or [node["type"] for node in workflow["nodes"]] != [each["id"] for each in subgraphs]:
        yield "It has to be one node, of the type of the one subgraph in the file."
        return
    ((block,), (subgraph,)) = workflow["nodes"], subgraphs
    if {subgraph["name"], block.get("title", name)} != {name}:
        yield f"The subgraph is called {subgraph['name']} and the file {name}."
    inner = {str(node["id"]): node for node in subgraph["nodes"]}
    for node, widget in block["properties"].get("proxyWidgets", []):
        if widget not in {entry["name"] for entry in inner.get(node, {"inputs": []})["inputs"]}:
            yield f"It shows a widget {widget} that its node {node} does not have."
    ends = [
        {"id": _INSIDE, "type": "input", "inputs": [], "outputs": [_end(each) for each in subgraph["inputs"]]},
        {"id": _OUTSIDE, "type": "output", "outputs": [], "inputs": [_end(each) for each in subgraph["outputs"]]},
    ]
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [[link[name] for name in names] for link in subgraph["links"]]
    yield from _faults_of_wires([*subgraph["nodes"], *ends], links)


def faults_in_comfyui(nodes: list[Node], info: Info) -> Iterator[str]:
    """What nodes lack in a ComfyUI with these node types."""
    for node in nodes:
        if node["type"] in NOTES:
            continue
        if node["type"] not in info:
            yield f"This ComfyUI has no node {node['type']}."
            continue
        entries = [entry for entry in inputs_of(info[node["type"]]) if not entry.is_view]
        linked = {entry["name"] for entry in node["inputs"] if entry["link"] is not None}
        for entry in entries:
            if not entry.is_widget and not entry.optional and entry.name not in linked:
                yield f"{_name(node)} needs a wire to {entry.name}."
        widgets = [entry for entry in entries if entry.is_widget]
        wanted = sum(1 + len(entry.companions) for entry in widgets)
        if len(node["widgets_values"]) != wanted:
            yield f"{_name(node)} has {len(node['widgets_values'])} values, and its widgets take {wanted}."
            continue
        models = {model["name"] for model in node["properties"].get("models", [])}
        for entry, value in values_of(node, widgets):
            if entry.kind == "COMBO" and value not in [*entry.options.get("options", []), *models]:
                yield f"{_name(node)} has no choice {value} in {entry.name}."
            if entry.kind in ("INT", "FLOAT") and not _is_within(value, entry.options):
                yield f"{_name(node)} takes no {value!r} for {entry.name}."


def values_of(node: Node, widgets: list[Input]) -> Iterator[tuple[Input, Any]]:
    """Each widget of a node with its saved value."""
    values = iter(node["widgets_values"])
    for entry in widgets:
        yield entry, next(values)
        for _ in entry.companions:
            next(values)


def _faults_of_wires(nodes: list[Node], links: list[Any]) -> Iterator[str]:
    """Wires end at slots of their type, which know them; and slots know no others."""
    by_id = {node["id"]: node for node in nodes}
    if len(by_id) != len(nodes):
        yield "Two nodes have the same id."
    for link, start, start_slot, end, end_slot, kind in links:
        try:
            output, entry = by_id[start]["outputs"][start_slot], by_id[end]["inputs"][end_slot]
        except (KeyError, IndexError):
            yield f"Wire {link} leads to a node or slot that is not there."
            continue
        if link not in (output["links"] or []) or not _knows(entry, link):
            yield f"Wire {link} is not known to both of its ends."
        if output["type"] != kind or not ("*" in (entry["type"], kind) or kind in entry["type"].split(",")):
            yield f"Wire {link} carries {kind} from {output['type']} to {entry['type']}."
    known = {link[0] for link in links}
    for node in nodes:
        used = [link for output in node["outputs"] for link in output["links"] or []]
        used += [entry["link"] for entry in node["inputs"] if isinstance(entry["link"], int)]
        for link in sorted({*used} - known):
            yield f"{_name(node)} has a wire {link} that is not there."


def _knows(entry: dict[str, Any], link: int) -> bool:
    return link in entry["links"] if "links" in entry else entry["link"] == link


def _end(entry: dict[str, Any]) -> dict[str, Any]:
    """A slot of a subgraph's end, which any number of wires lead to."""
    return {"name": entry["name"], "type": entry["type"], "links": entry["linkIds"], "link": None}


def _name(node: Node) -> str:
    return f"{node.get('title') or node['type']} ({node['id']})"


def _holds(bounding: list[float], node: Node) -> bool:
    left, top, width, height = bounding
    x, y = node["pos"]
    return left <= x and top <= y and x + node["size"][0] <= left + width and y + node["size"][1] <= top + height


def _grown(node: Node) -> Node:
    """A node as tall as it may be in Nodes 2.0 after a run."""
    width, height = node["size"]
    return {**node, "size": [width, height + ROOM]} if node["type"] in SPEAKERS else node


def _overlap(node: Node, other: Node) -> bool:
    (x, y), (width, height) = node["pos"], node["size"]
    (other_x, other_y), (other_width, other_height) = other["pos"], other["size"]
    beside = x >= other_x + other_width or other_x >= x + width
    return not (beside or y - TITLE >= other_y + other_height or other_y - TITLE >= y + height)


def _is_within(value: Any, bounds: dict[str, Any]) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and bounds.get("min", value) <= value <= bounds.get("max", value)

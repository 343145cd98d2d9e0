"""Saved workflows in the form the queue takes, as the page itself makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from comfyui_client import Prompt
from object_info import Info, inputs_of

# What needs a checkpoint of gigabytes to give a picture.
_SAMPLED = "VAEDecode"


def to_prompt(workflow: dict[str, Any], info: Info) -> Prompt:
    """A flat workflow as the queue takes it.

    Notes, muted nodes, and nodes that this ComfyUI does not have are left out.
    """
    links = {link[0]: link for link in workflow["links"]}
    return {
        str(node["id"]): {"class_type": node["type"], "inputs": _inputs(node, info[node["type"]], links)}
        for node in workflow["nodes"]
        if node.get("mode", 0) == 0 and node["type"] in info
    }


def _inputs(node: dict[str, Any], about: dict[str, Any], links: dict[int, Any]) -> dict[str, Any]:
    values = iter(node.get("widgets_values") or [])
    wired = {socket["name"]: links[socket["link"]] for socket in node["inputs"] if socket["link"] is not None}
    inputs: dict[str, Any] = {}
    for entry in inputs_of(about):
        if entry.is_view:
            inputs[entry.name] = ""
        elif entry.is_widget:
            inputs[entry.name] = next(values)
            for _ in entry.companions:
                next(values)
        if entry.name in wired:
            _, source, slot, *_ = wired[entry.name]
            inputs[entry.name] = [str(source), slot]
    return inputs


def without_sampling(prompt: Prompt, picture: str) -> Prompt:
    """The workflow with a picture of the input folder in place of each sampled one, and without what only led there."""
    replaced = {
        name: {"class_type": "LoadImage", "inputs": {"image": picture}} if node["class_type"] == _SAMPLED else node
        for name, node in prompt.items()
    }
    ends = prompt.keys() - _used(prompt.values())
    needed: set[str] = set()
    while ends:
        needed |= ends
        ends = _used(replaced[name] for name in ends) - needed
    return {name: node for name, node in replaced.items() if name in needed}


def _used(nodes: Iterable[dict[str, Any]]) -> set[str]:
    """The nodes that wires lead from, to any of these."""
    return {value[0] for node in nodes for value in node["inputs"].values() if isinstance(value, list)}


def with_every_picture(prompt: Prompt, info: Info) -> tuple[Prompt, dict[str, tuple[str, str]]]:
    """The workflow with a preview of every picture any node gives, in place of the nodes it ends in.

    Returns:
        The workflow, and for each preview the node and the output it shows.
    """
    used = _used(prompt.values())
    kept = {name: node for name, node in prompt.items() if name in used}
    previews: Prompt = {}
    shown: dict[str, tuple[str, str]] = {}
    for name, node in kept.items():
        about = info[node["class_type"]]
        for slot, (output, kind) in enumerate(zip(about["output_name"], about["output"], strict=True)):
            if kind == "IMAGE":
                preview = f"{name}-{slot}"
                previews[preview] = {"class_type": "PreviewImage", "inputs": {"images": [name, slot]}}
                shown[preview] = (name, output)
    return {**kept, **previews}, shown

"""Where the wires of a saved workflow run, as ComfyUI's canvas draws them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

Point = tuple[float, float]
Node = dict[str, Any]

TITLE = 30
"""Height of a node's title, above its position."""

# litegraph: NODE_SLOT_HEIGHT, the place of a slot in its row, and Reroute.maxSplineOffset.
_ROW, _IN_ROW, _LONGEST_HANDLE = 20, 0.7, 80
# A handle of a spline is this share of the distance it spans.
_HANDLE = 0.25
_STEPS = 64
# What a node's border may cover of a wire.
_BORDER = 3


def wires_behind_nodes(workflow: dict[str, Any]) -> Iterator[tuple[int, Node]]:
    """The id of each wire that runs behind a node, with that node."""
    for link in workflow["links"]:
        points = path_of(workflow, link)
        for node in workflow["nodes"]:
            if any(_is_inside(point, node) for point in points):
                yield link[0], node


def path_of(workflow: dict[str, Any], link: list[Any]) -> list[Point]:
    """Points along a wire.

    Args:
        workflow: flat, as the page saves it.
        link: one of its links.
    """
    _, start, start_slot, end, end_slot, _ = link
    by_id = {node["id"]: node for node in workflow["nodes"]}
    first = (by_id[start]["pos"][0] + by_id[start]["size"][0], _row(by_id[start], start_slot))
    last = (by_id[end]["pos"][0], _row(by_id[end], end_slot))
    places = [first, *_reroutes(workflow, link[0]), last]
    angles = [0.0, *(_angle(*places[index - 1 : index + 2]) for index in range(1, len(places) - 1)), 0.0]
    points: list[Point] = []
    for index, (a, b) in enumerate(pairwise(places)):
        inner = (index > 0, index + 2 < len(places))
        points += _spline(a, b, angles[index], angles[index + 1], inner)
    return points


def _reroutes(workflow: dict[str, Any], link: int) -> list[Point]:
    """The points that somebody has led a wire through, from its start on."""
    extra = workflow.get("extra", {})
    parents = {entry["id"]: entry.get("parentId") for entry in extra.get("linkExtensions", [])}
    known = {entry["id"]: entry for entry in extra.get("reroutes", [])}
    places: list[Point] = []
    parent = parents.get(link)
    while parent is not None:
        places.insert(0, tuple(known[parent]["pos"]))
        parent = known[parent].get("parentId")
    return places


def _row(node: Node, slot: int) -> float:
    return node["pos"][1] + (slot + _IN_ROW) * _ROW


def _angle(before: Point, at: Point, after: Point) -> float:
    """The direction of a wire in a point that it is led through; Reroute.calculateAngle of litegraph."""
    come = math.atan2(at[1] - before[1], at[0] - before[0])
    half = (come - math.atan2(after[1] - at[1], after[0] - at[0])) * 0.5
    return come - (half + math.pi if abs(half) > math.pi * 0.5 else half)


def _spline(a: Point, b: Point, leave: float, arrive: float, inner: tuple[bool, bool]) -> Iterator[Point]:
    length = math.dist(a, b) * _HANDLE
    out, back = (min(length, _LONGEST_HANDLE) if is_inner else length for is_inner in inner)
    handle_a = (a[0] + out * math.cos(leave), a[1] + out * math.sin(leave))
    handle_b = (b[0] - back * math.cos(arrive), b[1] - back * math.sin(arrive))
    for step in range(_STEPS + 1):
        t = step / _STEPS
        weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3)
        yield tuple(
            sum(weight * place[axis] for weight, place in zip(weights, (a, handle_a, handle_b, b), strict=True))
            for axis in (0, 1)
        )  # type: ignore[misc]


def _is_inside(point: Point, node: Node) -> bool:
    (x, y), (width, height) = node["pos"], node["size"]
    across = x + _BORDER < point[0] < x + width - _BORDER
    return across and y - TITLE + _BORDER < point[1] < y + height - _BORDER

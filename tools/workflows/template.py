"""What a workflow template is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from .graph import Graph
from .object_info import Info

EXAMPLE = "gpen-example.jpg"
"""The picture that the package puts into ComfyUI's input folder."""

HEAD = (103, 0, 343, 240)
"""Where the head is in it: left, top, right, bottom."""

Pictures = Mapping[tuple[str, str], list[Image.Image]]
"""What a run gave: (a node's title, or its type where it has none; the output's name) to pictures."""


@dataclass(frozen=True)
class Template:
    """A workflow people start from.

    Attributes:
        name: of its files, and of its card in the page's template browser.
        build: adds its nodes to an empty graph.
        thumbnail: draws the square picture of its card from what a run of it gave.
    """

    name: str
    build: Callable[[Graph], None]
    thumbnail: Callable[[Pictures], Image.Image]

    def workflow(self, info: Info) -> dict[str, Any]:
        """The workflow as a file that the page opens, with the defaults of a running ComfyUI's nodes."""
        graph = Graph(self.name, info)
        self.build(graph)
        return graph.workflow()

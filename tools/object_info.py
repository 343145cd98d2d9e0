"""What a ComfyUI says of its nodes at `/object_info`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Info = dict[str, dict[str, Any]]
"""Node types by id, as `/object_info` gives them."""

_WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
# Menus whose choices bring further widgets; those that are saved without them get their defaults.
_MENUS_WITH_MORE = "COMFY_DYNAMICCOMBO"
# Widgets that only show something: the page draws them, and nothing of them is saved.
_VIEWS = ("IMAGECOMPARE",)


@dataclass(frozen=True)
class Input:
    """An input of a node type.

    Attributes:
        name: its id, which is its name in the queue too.
        kind: the type of its socket or widget; `COMBO` for a menu, however this version of ComfyUI writes one.
        options: bounds, default, tooltip and the like.
        optional: it may be left unconnected.
    """

    name: str
    kind: str
    options: dict[str, Any]
    optional: bool

    @property
    def is_view(self) -> bool:
        return self.kind in _VIEWS

    @property
    def is_widget(self) -> bool:
        return self.kind in _WIDGETS and not self.options.get("forceInput")

    @property
    def default(self) -> Any:
        """What the page shows in a widget that nobody has touched."""
        choices = self.options.get("options") or [None]
        return self.options.get("default", choices[0])

    @property
    def companions(self) -> list[str]:
        """Values of the further widgets that the page keeps, and saves, behind this one."""
        seed = self.options.get("control_after_generate") or self.name in ("seed", "noise_seed")
        upload = self.options.get("image_upload") or self.options.get("video_upload")
        return ["fixed"] * bool(seed) + ["image"] * bool(upload)


def inputs_of(about: dict[str, Any]) -> Iterator[Input]:
    """The inputs of a node type in the order of the page, which is that of the values in a saved workflow."""
    for section in ("required", "optional"):
        for name in about["input_order"].get(section, []):
            kind, *rest = about["input"][section][name]
            options = rest[0] if rest else {}
            if isinstance(kind, list):
                kind, options = "COMBO", {"options": kind, **options}
            elif kind.startswith(_MENUS_WITH_MORE):
                kind, options = "COMBO", {**options, "options": [choice["key"] for choice in options["options"]]}
            yield Input(name, kind, options, section == "optional")

"""GPENSavePreset in workflows."""

from __future__ import annotations

from comfyui_client import Prompt
from prompts import node

from gpen_blocks.nodes.block_settings import SAVE_PRESET, setting_widgets


def save_preset(name: str, **changes: object) -> Prompt:
    """The block as node `save`, with the defaults of its widgets except for `changes`."""
    widgets = setting_widgets(SAVE_PRESET)
    values = {
        name: widget.shown_default == widget.on if widget.on else widget.shown_default
        for name, widget in widgets.items()
    }
    inputs = {"name": name, "description": "a test", "overwrite": False, **values, **changes}
    return {"save": node(SAVE_PRESET, **inputs)}

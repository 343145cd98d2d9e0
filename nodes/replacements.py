"""Blocks that ComfyUI offers for nodes of other packs that are not installed.

Only what means the same is carried over: images, the share of the restoration, and crops before and after. Models are
not, since those packs name files of other networks; loaders of this package have to be connected. No input may change
its name here if another replaced node leads to it: ComfyUI 0.33 then looks for the old name and fails.
"""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

_CHAIN = "GPENFaceRestore"

# Keyword arguments of ComfyUI's NodeReplace; each source was read at the version named above it.
REPLACEMENTS: tuple[dict[str, Any], ...] = (
    # facerestore_cf, __init__.py of 2024: codeformer_fidelity has no counterpart.
    {
        "old_node_id": "FaceRestoreCFWithModel",
        "new_node_id": _CHAIN,
        "old_widget_ids": ["facedetection", "codeformer_fidelity"],
        "input_mapping": [
            {"new_id": "image", "old_id": "image"},
            {"new_id": "strength", "set_value": 1.0},
        ],
        "output_mapping": [{"old_idx": 0, "new_idx": 0}],
    },
    # ComfyUI-ReActor, nodes.py: visibility is the share of the restored face, as strength is.
    {
        "old_node_id": "ReActorRestoreFace",
        "new_node_id": _CHAIN,
        "old_widget_ids": ["facedetection", "model", "visibility", "codeformer_weight"],
        "input_mapping": [
            {"new_id": "image", "old_id": "image"},
            {"new_id": "strength", "old_id": "visibility"},
        ],
        "output_mapping": [{"old_idx": 0, "new_idx": 0}],
    },
    # ComfyUI-GPENO, __init__.py: image, faces before, faces after.
    {
        "old_node_id": "GPENO Face Restoration",
        "new_node_id": _CHAIN,
        "old_widget_ids": [
            *("use_global_cache", "unload", "backbone", "resolution_preset", "downscale_method"),
            *("channel_multiplier", "narrow", "alpha", "device", "aligned", "colorize"),
        ],
        "input_mapping": [
            {"new_id": "image", "old_id": "image"},
            {"new_id": "strength", "set_value": 1.0},
        ],
        "output_mapping": [{"old_idx": index, "new_idx": index} for index in range(3)],
    },
)


async def register() -> None:
    """Tell ComfyUI, if this version replaces nodes."""
    if not hasattr(io, "NodeReplace"):
        return
    from comfy_api.latest import ComfyAPI

    api = ComfyAPI()
    for replacement in REPLACEMENTS:
        await api.node_replacement.register(io.NodeReplace(**replacement))

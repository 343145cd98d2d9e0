"""Masks of faces that all have one."""

from __future__ import annotations

from typing import Any

import torch

from gpen_blocks.gpen.faces.masks import draw_masks, require_masks


def face_masks(*arguments: Any, **options: Any) -> torch.Tensor:
    """What `draw_masks` draws; a face without a mask raises."""
    return require_masks(*draw_masks(*arguments, **options))

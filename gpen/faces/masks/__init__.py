"""Soft masks of the face, its parts and its outline in a crop."""

from ...choices import MaskMode
from .paste_masks import draw_masks, require_masks

__all__ = ["MaskMode", "draw_masks", "require_masks"]

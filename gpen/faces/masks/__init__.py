"""Where on a crop the face, its parts and its outline are, as soft masks."""

from ...choices import MaskMode
from .paste_masks import draw_masks, require_masks

__all__ = ["MaskMode", "draw_masks", "require_masks"]

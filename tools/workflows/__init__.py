"""The workflows people start from: what they are made of, and how their thumbnails are drawn.

A new one is a module like the others, and an entry in `TEMPLATES`.
"""

from __future__ import annotations

from . import (
    after_sampler,
    batch_of_frames,
    before_and_after,
    block_by_block,
    choose_face,
    restore_photograph,
    spectrum_lab,
    two_presets,
)
from .template import Template

TEMPLATES: tuple[Template, ...] = (
    restore_photograph.TEMPLATE,
    block_by_block.TEMPLATE,
    after_sampler.TEMPLATE,
    choose_face.TEMPLATE,
    two_presets.TEMPLATE,
    before_and_after.TEMPLATE,
    batch_of_frames.TEMPLATE,
    spectrum_lab.TEMPLATE,
)

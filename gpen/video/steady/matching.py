"""Match mean and contrast of a face's colours along its track."""

from __future__ import annotations

import numpy as np
import torch

from ...faces.masks import draw_masks
from ...pixels.color import mean_std_line
from ...settings import Settings
from ...types import Alignment

# Share of the way to what a frame asks for: the match follows within about a second.
_PACE = 1 / 16


def match_slowly(
    own: torch.Tensor, restored: torch.Tensor, alignment: Alignment, before: np.ndarray | None, settings: Settings
) -> tuple[torch.Tensor, np.ndarray]:
    """Match a restored crop to the photograph's as the colour match `mean_std` does, by slowly varying numbers.

    Args:
        own: 3 x S x S in 0..1, the photograph's crop.
        restored: the same size.
        alignment: of the crop.
        before: what the frame before left behind; None if there is none.
        settings: those of the mask.

    Returns:
        The crop, not clamped, and what it leaves behind: 2 x 3 float64, factor and summand of each channel.
    """
    mode = "ellipse" if settings.mask_mode == "parsing" else settings.mask_mode
    masks, _ = draw_masks((alignment,), own.shape[-1], mode, settings.feather)
    gain, offset = mean_std_line(restored[None], own[None], masks.to(own))
    new = torch.stack([gain, offset]).flatten(1).double().cpu().numpy()
    now = new if before is None else before + _PACE * (new - before)
    factor, summand = torch.from_numpy(now).to(restored)[:, :, None, None]
    return restored * factor + summand, now

"""Continue a picture smoothly into a hole."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def spread(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Continue values smoothly to where they are not known (push-pull, Gortler et al. 1996, "The lumigraph").

    1. Push: halve the picture again and again, each pixel the mean of the known ones below it.
    2. Pull: fill the unknown pixels of each level from the next coarser one.

    Args:
        values: B x C x H x W.
        known: B x 1 x H x W, how much each value counts, 0 or 1 or between.

    Returns:
        The values where they are known, and smooth ones elsewhere; 0 if nothing is known.
    """
    height, width = values.shape[-2:]
    weighted = values * known
    if min(height, width) == 1 or not bool((known == 0).any()):
        return weighted / known.clamp_min(1e-6)
    pad = (0, width % 2, 0, height % 2)
    sums = F.avg_pool2d(F.pad(weighted, pad), 2) * 4
    weights = F.avg_pool2d(F.pad(known, pad), 2) * 4
    coarse = spread(sums / weights.clamp_min(1e-6), weights.clamp(max=1))
    filled = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return weighted + (1 - known) * filled

"""Find what stands before a face: hands, microphones, glasses, veils, strands of hair.

`OcclusionNetwork` is a small U-Net (Ronneberger et al. 2015) whose maps are added instead of stacked. Its input and
output are folded into 2 x 2 blocks, so that thin rims are seen at full resolution but computed at half of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import Residual, convolution
from ..loading import load_strictly

CROP = 128
"""Side in pixels of the crops that the network sees."""
_CHANNELS = (24, 40, 72, 96, 96)  # at 1/2, 1/4, 1/8, 1/16 and 1/32 of the crop's side


class OcclusionNetwork(nn.Module):
    """Normalised crops N x 3 x 128 x 128 to logits N x 1 x 128 x 128 of being before the face."""

    def __init__(self) -> None:
        super().__init__()
        self.first = convolution(12, _CHANNELS[0])
        self.down = nn.ModuleList(
            nn.Sequential(convolution(into, out, 2), Residual(out)) for into, out in pairwise(_CHANNELS)
        )
        self.up = nn.ModuleList(nn.Conv2d(out, into, 1) for into, out in pairwise(_CHANNELS))
        self.merge = nn.ModuleList(convolution(channels, channels) for channels in _CHANNELS[:-1])
        self.last = nn.Conv2d(_CHANNELS[0], 4, 3, 1, 1)

    def forward(self, crops: Tensor) -> Tensor:
        maps = [self.first(F.pixel_unshuffle(crops, 2))]
        for step in self.down:
            maps.append(step(maps[-1]))
        x = maps.pop()
        for own, up, merge in reversed(list(zip(maps, self.up, self.merge, strict=True))):
            x = merge(own + F.interpolate(up(x), scale_factor=2.0, mode="bilinear"))
        return F.pixel_shuffle(self.last(x), 2)


def load_occlusion(state_dict: Mapping[str, Tensor]) -> OcclusionNetwork:
    """Build the network and load it strictly; raises CheckpointError."""
    return load_strictly(OcclusionNetwork(), state_dict, "This is no network for what stands before a face").eval()

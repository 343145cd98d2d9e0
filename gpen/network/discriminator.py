"""GPEN's discriminator, which is that of StyleGAN2; used only for training.

Modules and parameters have the names and shapes of the authors' code, so their `-D` files can be loaded.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .layers import EqualLinear, FusedLeakyReLU, conv_layer, halving

# Faces per group of the batch deviation; Karras et al. 2018, "Progressive Growing of GANs".
_GROUP = 4


class ResBlock(nn.Module):
    """Residual block that halves the resolution: two convolutions and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = conv_layer(in_channels, in_channels, 3)
        self.conv2 = nn.Sequential(*halving(in_channels, out_channels, 3), FusedLeakyReLU(out_channels))
        self.skip = nn.Sequential(*halving(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class Discriminator(nn.Module):
    """Rates how real a face looks.

    Args:
        config: configuration of the generator it is trained against.
        width: ratio of its channels to the generator's.
    """

    def __init__(self, config: GeneratorConfig, width: float = 1.0):
        super().__init__()
        channels = [max(1, int(number * width)) for number in config.channels]
        finest_first, coarse = channels[::-1], channels[0]
        blocks = [ResBlock(above, here) for above, here in pairwise(finest_first)]
        self.convs = nn.Sequential(conv_layer(3, finest_first[0], 1), *blocks)
        self.final_conv = conv_layer(coarse + 1, coarse, 3)
        self.final_linear = nn.Sequential(EqualLinear(coarse * 4 * 4, coarse, activate=True), EqualLinear(coarse, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Score faces.

        Args:
            x: B x 3 x S x S in -1..1.

        Returns:
            B x 1 float32, high for real faces.
        """
        x = self.convs(x.contiguous(memory_format=torch.channels_last))
        x = self.final_conv(torch.cat([x, batch_deviation(x)], dim=1))
        return self.final_linear(x.flatten(1))


def batch_deviation(x: Tensor) -> Tensor:
    """Extra channel that reveals a lack of variety: the mean standard deviation within groups of up to four.

    Args:
        x: B x C x H x W.

    Returns:
        B x 1 x H x W.
    """
    batch, _, height, width = x.shape
    group = max(size for size in range(1, _GROUP + 1) if batch % size == 0)
    grouped = x.float().unflatten(0, (group, batch // group))  # G x B/G x C x H x W
    deviation = (grouped.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # B/G
    return deviation.repeat(group)[:, None, None, None].expand(-1, 1, height, width).to(x.dtype)

"""What a generator is before it has learnt anything."""

from __future__ import annotations

from typing import Any

import torch

from ...network.generator import Generator
from ...network.layers import NoiseWeight, ToRGB
from ...network.ops import NEGATIVE_SLOPE


@torch.no_grad()
def start_as_identity(generator: Generator) -> None:
    """Set a few weights of a random generator so that it gives back the face it is given, changed in place.

    Training then learns what is to be changed, as residual networks do (Zhang et al. 2017, "Beyond a Gaussian
    denoiser"), without another architecture: from StyleGAN2's start, where the encoder's features enter with weight
    0, thousands of steps are spent on drawing the face that is there already.

    1. All of the encoder's features enter with weight 1, and no level paints yet.
    2. Two channels of the finest features carry each colour, one with either sign: of leaky ReLUs, the difference
       of a value's and its negative's is linear.
    3. The finest level paints that difference.
    """
    for module in generator.modules():
        if isinstance(module, NoiseWeight):
            module.weight.fill_(1.0)
        if isinstance(module, ToRGB):
            module.conv.weight.zero_()
    stem: Any = generator.ecd0[0]
    paint: Any = generator.generator.to_rgbs[-1]
    weight, painted = stem[0].weight, paint.conv.weight
    paint.conv.modulation.weight.zero_()  # its styles begin at 1
    features = weight.shape[0]
    # Through both activations a value comes out times 2, or times 2 slope^2 if it is negative.
    gain = 1 / (2 * (1 + NEGATIVE_SLOPE**2)) / paint.conv.scale
    for colour in range(3):
        for sign, channel in ((1.0, 2 * colour), (-1.0, 2 * colour + 1)):
            weight[channel] = 0.0
            weight[channel, colour] = sign / stem[0].scale
            painted[0, colour, painted.shape[2] - features + channel] = sign * gain

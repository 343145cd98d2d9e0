"""Initialise a generator as the identity."""

from __future__ import annotations

from typing import Any

import torch

from ...network.generator import Generator
from ...network.layers import NoiseWeight, ToRGB
from ...network.ops import NEGATIVE_SLOPE


@torch.no_grad()
def start_as_identity(generator: Generator) -> None:
    """Set a few weights of a random generator in place so that its output equals its input.

    Training then learns only the changes, like residual networks (Zhang et al. 2017, "Beyond a Gaussian denoiser"),
    without another architecture. With StyleGAN2's initialisation, in which the encoder's features have weight 0,
    thousands of steps are needed just to reproduce the face.

    1. Give all features of the encoder the weight 1, and set the RGB output of all levels to 0.
    2. Use two channels of the finest features for each colour, one with each sign: the difference of the leaky ReLUs of
       a value and of its negative is linear.
    3. Let the finest level output that difference.
    """
    for module in generator.modules():
        if isinstance(module, NoiseWeight):
            module.weight.fill_(1.0)
        if isinstance(module, ToRGB):
            module.conv.weight.zero_()
    stem: Any = generator.ecd0[0]
    paint: Any = generator.generator.to_rgbs[-1]
    weight, painted = stem[0].weight, paint.conv.weight
    paint.conv.modulation.weight.zero_()  # its styles start at 1
    features = weight.shape[0]
    # Both activations multiply a value by 2, or by 2 slope^2 if it is negative.
    gain = 1 / (2 * (1 + NEGATIVE_SLOPE**2)) / paint.conv.scale
    for colour in range(3):
        for sign, channel in ((1.0, 2 * colour), (-1.0, 2 * colour + 1)):
            weight[channel] = 0.0
            weight[channel, colour] = sign / stem[0].scale
            painted[0, colour, painted.shape[2] - features + channel] = sign * gain

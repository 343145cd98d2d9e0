"""GPEN's arithmetic as its authors published it, on the tensors of our generator: what speed is measured against.

The formulation is that of StyleGAN2's reference in PyTorch, which the authors' `face_model/gpen_model.py` takes over:

- a modulated convolution makes one weight for each face and convolves them all as groups of one convolution;
- resampling inserts zeros and filters with the 4 x 4 kernel in one pass of two dimensions;
- scales of the equal learning rate are multiplied into the weights at every pass.

It is written for a machine without the authors' CUDA extensions, as theirs falls back to on a CPU.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpen_blocks.gpen.network import Generator
from gpen_blocks.gpen.network.layers import EqualLinear, ModulatedConv, StyledConv, ToRGB


class PublishedGenerator(nn.Module):
    """The same network as `generator`, whose parameters it shares, computed as published.

    `forward` takes and gives B x 3 x S x S in -1..1.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        self.config = generator.config

    def forward(self, x: Tensor) -> Tensor:
        network: Any = self.generator
        features = []
        for index in range(len(network.config.channels)):
            x = _encoder_layer(getattr(network, f"ecd{index}")[0], x)
            features.append(x)
        latent = _linear(network.final_linear[0], x.reshape(x.shape[0], -1))
        decoder = network.generator
        latent = latent * torch.rsqrt(latent.pow(2).mean(dim=1, keepdim=True) + 1e-8)
        for layer in list(decoder.style)[1:]:
            latent = _linear(layer, latent)
        out = _styled(decoder.conv1, decoder.input.input.repeat(latent.shape[0], 1, 1, 1), latent, features[-1])
        rgb = _to_rgb(decoder.to_rgb1, out, latent, None)
        for level, to_rgb in enumerate(decoder.to_rgbs):
            feature = features[-2 - level]
            out = _styled(decoder.convs[2 * level], out, latent, feature)
            out = _styled(decoder.convs[2 * level + 1], out, latent, feature)
            rgb = _to_rgb(to_rgb, out, latent, rgb)
        return rgb


def upfirdn2d(x: Tensor, kernel: Tensor, up: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Insert zeros, pad, and convolve every channel on its own with a k x k kernel; B x C x H x W."""
    batch, channels, height, width = _shape(x)
    x = x.reshape(batch * channels, 1, height, 1, width, 1)
    x = F.pad(x, [0, up - 1, 0, 0, 0, up - 1]).reshape(batch * channels, 1, height * up, width * up)
    x = F.conv2d(F.pad(x, [padding[0], padding[1], padding[0], padding[1]]), kernel.flip(0, 1)[None, None])
    return x.reshape(batch, channels, *_shape(x)[2:])


def _shape(x: Tensor) -> list[int]:
    """Plain numbers also while the network is traced: shapes of the exported graph are fixed."""
    return [int(side) for side in x.shape]


def _encoder_layer(layer: Any, x: Tensor) -> Tensor:
    *blur, conv, activation = layer
    if blur:
        x = upfirdn2d(x, blur[0].kernel, padding=(2, 2))
    weight = conv.weight * (1 / math.sqrt(conv.weight[0].numel()))
    return _activate(F.conv2d(x, weight, stride=conv.stride, padding=conv.padding), activation.bias)


def _linear(layer: EqualLinear, x: Tensor) -> Tensor:
    out = F.linear(x, layer.weight * layer.scale)
    if not layer.activate:
        return out + layer.bias * layer.lr
    return F.leaky_relu(out + layer.bias * layer.lr, 0.2) * math.sqrt(2)


def _activate(x: Tensor, bias: Tensor) -> Tensor:
    return F.leaky_relu(x + bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2)


def _styled(layer: StyledConv, x: Tensor, latent: Tensor, feature: Tensor) -> Tensor:
    out = _modulated(layer.conv, x, latent)
    return _activate(torch.cat([out, layer.noise.weight * feature], dim=1), layer.activate.bias)


def _modulated(conv: ModulatedConv, x: Tensor, latent: Tensor) -> Tensor:
    batch, channels, height, width = _shape(x)
    style = _linear(conv.modulation, latent).view(batch, 1, channels, 1, 1)
    weight = conv.scale * conv.weight * style
    weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
    x = x.reshape(1, batch * channels, height, width)
    if conv.blur is None:
        out = F.conv2d(x, weight.flatten(0, 1), padding=1, groups=batch)
        return out.view(batch, -1, *_shape(out)[2:])
    out = F.conv_transpose2d(x, weight.transpose(1, 2).flatten(0, 1), stride=2, groups=batch)
    return upfirdn2d(out.view(batch, -1, *_shape(out)[2:]), conv.blur.kernel, padding=(1, 1))


def _to_rgb(layer: ToRGB, x: Tensor, latent: Tensor, skip: Tensor | None) -> Tensor:
    batch, channels, height, width = _shape(x)
    style = _linear(layer.conv.modulation, latent).view(batch, 1, channels, 1, 1)
    weight = (layer.conv.scale * layer.conv.weight * style).flatten(0, 1)
    out = F.conv2d(x.reshape(1, batch * channels, height, width), weight, groups=batch)
    out = out.view(batch, 3, height, width) + layer.bias
    if skip is None or layer.upsample is None:
        return out
    return out + upfirdn2d(skip, layer.upsample.kernel, up=2, padding=(2, 1))

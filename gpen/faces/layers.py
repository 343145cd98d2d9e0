"""Layers and input normalisation shared by the package's small face networks."""

from __future__ import annotations

from torch import Tensor, nn


def convolution(into: int, out: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, batch normalization and ReLU: N x into x H x W to N x out x H / stride x W / stride."""
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def normalize(crops: Tensor) -> Tensor:
    """Zero mean and unit deviation for each crop of N x C x H x W, over all channels; a flat crop becomes zeros."""
    centred = crops - crops.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-3)

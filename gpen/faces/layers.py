"""Layers and input normalisation shared by the package's small face networks, and their faster form for inference."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

# Activations by their slope for negative values, as oneDNN names them, with their parameters.
_ONEDNN = {1.0: ("none", []), 0.0: ("relu", [])}


def convolution(into: int, out: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, batch normalization and ReLU: N x into x H x W to N x out x H / stride x W / stride."""
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two 3 x 3 convolutions with batch normalization, added to their input: N x channels x H x W to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(channels, channels),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def normalize(crops: Tensor) -> Tensor:
    """Zero mean and unit deviation for each crop of N x C x H x W, over all channels; a flat crop becomes zeros."""
    centred = crops - crops.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-3)


def fold_batch_norm(module: nn.Module) -> None:
    """Fold normalisations into the preceding convolutions in place; the module must be in eval mode.

    Each normalisation must directly follow its convolution.
    """
    children = list(module.named_children())
    for (name, child), (following, norm) in pairwise(children):
        if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(child, norm))
            setattr(module, following, nn.Identity())
    for _, child in children:
        fold_batch_norm(child)


def fuse_activations(module: nn.Module) -> None:
    """Let convolutions apply the ReLU that follows them in an `nn.Sequential`, in place, after `fold_batch_norm`."""
    for name, child in list(module.named_children()):
        fuse_activations(child)
        if isinstance(child, nn.Conv2d):
            setattr(module, name, ActivatedConvolution(child))
    if not isinstance(module, nn.Sequential):
        return
    before = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.ReLU | nn.LeakyReLU) and isinstance(before, ActivatedConvolution):
            before.slope = child.negative_slope if isinstance(child, nn.LeakyReLU) else 0.0
            setattr(module, name, nn.Identity())
        if not isinstance(child, nn.Identity):
            before = child


class ActivatedConvolution(nn.Module):
    """A convolution with the leaky ReLU that follows it, for inference.

    On a CPU both are one operation of oneDNN, the one that torch's compiler uses, so that the maps are not read again;
    and 1 x 1 convolutions of one picture on one core are not run by torch's own slower code.

    Attributes:
        slope: slope of the activation for negative values; 1 for none.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.how = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self.slope = 1.0

    def forward(self, x: Tensor) -> Tensor:
        fused = _fused_convolution()
        if fused is not None and x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled():
            return fused(
                x, self.weight, self.bias, *self.how, *_ONEDNN.get(self.slope, ("leaky_relu", [self.slope])), ""
            )
        padding, stride, dilation, groups = self.how
        x = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        return x if self.slope == 1 else F.leaky_relu(x, self.slope)


@lru_cache(maxsize=1)
def _fused_convolution() -> Callable[..., Tensor] | None:
    """oneDNN's convolution with an activation, or None if this torch does not have it."""
    if not torch.backends.mkldnn.is_available():
        return None
    try:
        fused = torch.ops.mkldnn._convolution_pointwise.default
        fused(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1), None, [0, 0], [1, 1], [1, 1], 1, "leaky_relu", [0.1], "")
    except (AttributeError, RuntimeError, NotImplementedError):
        return None
    return fused

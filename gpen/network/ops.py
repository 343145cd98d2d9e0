"""Operators of StyleGAN2-like networks that torch does not provide.

Convention: feature maps are B x C x H x W, stored channels-last; gains, biases and styles are (B or 1) x C.
Operators overwrite maps only if no gradient is recorded and neither compiler nor exporter reads along: on a CPU,
allocating a new tensor of 100 MB takes several times as long as the arithmetic that fills it.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

SQRT2 = math.sqrt(2.0)
# Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN": the low-pass kernel of all resampling,
# the slope of every leaky ReLU, and the epsilon of divisions.
FIR_TAPS = (1.0, 3.0, 3.0, 1.0)
NEGATIVE_SLOPE = 0.2
EPSILON = 1e-8
# Queried once at import: torch.compile of torch 2.4 cannot trace the query, and MPS has no autocast there.
AUTOCAST_DEVICES = tuple(name for name in ("cpu", "cuda", "mps", "xpu") if torch.amp.is_autocast_available(name))


def fir_kernel(gain: float = 1.0) -> Tensor:
    """The 4 x 4 binomial low-pass kernel with sum `gain`."""
    unit = gain / sum(FIR_TAPS) ** 2
    return torch.tensor([[vertical * horizontal * unit for horizontal in FIR_TAPS] for vertical in FIR_TAPS])


def fir_filter(x: Tensor, kernel: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """Convolve every channel with one FIR kernel.

    1. Pad with `padding` zeros on each side.
    2. Convolve in one depthwise pass. Two separable passes would halve the products, but memory access dominates the
       cost; also, the kernel need not be separable.

    Args:
        x: B x C x H x W.
        kernel: k x k.
        padding: zeros on each side.
        gain: factor of the kernel; constants of adjacent layers can be applied here at no cost.

    Returns:
        B x C x (H + 2 padding - k + 1) x (W + 2 padding - k + 1).
    """
    channels = int(x.shape[1])  # a number even while tracing: exporters need kernels of known shape
    flipped = (kernel * gain).flip(0, 1).to(x.dtype)  # conv2d correlates
    return F.conv2d(x, flipped.repeat(channels, 1, 1, 1), padding=padding, groups=channels)


def fir_upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Double the resolution.

    1. Insert a zero after each pixel in both directions.
    2. Convolve every channel with the kernel, centred between the second and third tap.

    Args:
        x: B x C x H x W.
        kernel: 4 x 4, with sum 4 to keep the brightness.

    Returns:
        B x C x 2H x 2W.
    """
    channels = int(x.shape[1])
    weight = kernel.to(x.dtype).repeat(channels, 1, 1, 1)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


def scale_channels(x: Tensor, gain: Tensor) -> Tensor:
    """Multiply each channel by its gain; may overwrite `x`.

    Args:
        x: B x C x H x W.
        gain: (B or 1) x C.
    """
    gain = gain[:, :, None, None].to(x.dtype)
    return x.mul_(gain) if _may_overwrite(x, gain) else x * gain


def concatenate(x: Tensor, feature: Tensor, spare: Tensor) -> Tensor:
    """Concatenate the channels of two maps; may overwrite a third map of the right size.

    Args:
        x: B x C x H x W.
        feature: B x D x H x W.
        spare: a map that is no longer needed.

    Returns:
        B x (C + D) x H x W.
    """
    shape = (x.shape[0], x.shape[1] + feature.shape[1], *x.shape[2:])
    fits = spare.shape == shape and spare.dtype == x.dtype == feature.dtype
    out = spare if _may_overwrite(x, feature, spare) and fits else None
    return torch.cat([x, feature], dim=1, out=out)


def scaled_leaky_relu(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """sqrt(2) * leaky_relu(gain * x + bias); may overwrite `x`.

    The factor sqrt(2) keeps the variance. It is applied to gain and bias, since leaky ReLU is positively homogeneous.

    Args:
        x: B x C x H x W.
        gain: (B or 1) x C.
        bias: C.
    """
    gain = (gain * SQRT2)[:, :, None, None].to(x.dtype)
    bias = (bias * SQRT2)[None, :, None, None].to(x.dtype)
    out = x if _may_overwrite(x, gain, bias) else None
    return F.leaky_relu_(torch.addcmul(bias, x, gain, out=out), NEGATIVE_SLOPE)


def linear_fp32(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias in float32 regardless of dtypes and autocast: it costs little, and precision matters here.

    Args:
        x: B x I.
        weight: O x I.
        bias: O, or None.

    Returns:
        B x O, float32.
    """
    with without_autocast(x.device):
        return F.linear(x.float(), weight.float(), None if bias is None else bias.float())


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Context manager that disables autocast; it leaves no trace in exported graphs."""
    autocast = device.type in AUTOCAST_DEVICES and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if autocast else nullcontext()


def _may_overwrite(*tensors: Tensor) -> bool:
    recorded = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    return not recorded and not traced

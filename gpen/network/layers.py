"""The layers of GPEN, with parameters named and shaped as in the authors' `face_model/gpen_model.py`.

Equal learning rate (Karras et al. 2018, "Progressive Growing of GANs"): stored weights have unit variance,
and a constant scale compensates for the fan-in. Here the scale is applied where it costs least, never to a copy of a
large weight.

Parameters are created only with `torch.normal` and `torch.full`: on the meta device, on which networks are first built,
`torch.randn` and `torch.zeros` would import torch's compiler, which takes seconds.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ops import (
    EPSILON,
    NEGATIVE_SLOPE,
    SQRT2,
    concatenate,
    fir_filter,
    fir_kernel,
    fir_upsample,
    linear_fp32,
    scale_channels,
    scaled_leaky_relu,
    without_autocast,
)


class PixelNorm(nn.Module):
    """Normalise each latent vector to unit mean square."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


class EqualLinear(nn.Module):
    """Fully connected layer in float32, B x I -> B x O.

    Args:
        bias: initial value of the bias.
        lr: learning-rate multiplier; weight and bias are stored divided by it.
        activate: apply the scaled leaky ReLU at the end.
    """

    def __init__(self, in_dim: int, out_dim: int, bias: float = 0.0, lr: float = 1.0, activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.normal(0.0, 1.0 / lr, (out_dim, in_dim)))
        self.bias = nn.Parameter(torch.full((out_dim,), bias))
        self.scale = lr / math.sqrt(in_dim)
        self.lr = lr
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = linear_fp32(x.float() * self.scale, self.weight, self.bias * self.lr)
        return F.leaky_relu(x, NEGATIVE_SLOPE) * SQRT2 if self.activate else x


class FIR(nn.Module):
    """A fixed low-pass kernel, stored in checkpoints."""

    kernel: Tensor

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.register_buffer("kernel", fir_kernel(gain))


class Blur(FIR):
    """Low-pass filter before a strided k x k convolution; applies the convolution's padding and scale."""

    def __init__(self, scale: float, kernel_size: int = 3):
        super().__init__()
        self.scale = scale
        self.padding = (kernel_size + 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        return fir_filter(x, self.kernel, padding=self.padding, gain=self.scale)


class FusedLeakyReLU(nn.Module):
    """Multiply by `gain`, (B or 1) x C, add the bias and apply the scaled leaky ReLU; may overwrite the input."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.full((channels,), 0.0))

    def forward(self, x: Tensor, gain: Tensor | None = None) -> Tensor:
        return scaled_leaky_relu(x, x.new_ones(1, 1) if gain is None else gain, self.bias)


class PlainConv(nn.Module):
    """Convolution without bias; its weight is multiplied by `scale`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        scale: float = 1.0,
    ):
        super().__init__()
        self.weight = nn.Parameter(_channels_last(out_channels, in_channels, kernel_size))
        self.stride = stride
        self.padding = padding
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if self.scale == 1.0 else self.weight * self.scale
        return F.conv2d(x, weight.to(x.dtype), stride=self.stride, padding=self.padding)


def encoder_layer(in_channels: int, out_channels: int) -> nn.Sequential:
    """Halve the resolution: blur, 3 x 3 convolution, activation. B x I x H x W -> B x O x H/2 x W/2."""
    return nn.Sequential(*halving(in_channels, out_channels, 3), FusedLeakyReLU(out_channels))


def halving(in_channels: int, out_channels: int, kernel_size: int) -> tuple[Blur, PlainConv]:
    """Blur and strided convolution, B x I x H x W -> B x O x H/2 x W/2; the blur applies the scale of both."""
    blur = Blur(1.0 / math.sqrt(in_channels * kernel_size**2), kernel_size)
    return blur, PlainConv(in_channels, out_channels, kernel_size, stride=2)


def conv_layer(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """k x k convolution, activation. B x I x H x W -> B x O x H x W."""
    scale = 1.0 / math.sqrt(in_channels * kernel_size**2)
    conv = PlainConv(in_channels, out_channels, kernel_size, padding=kernel_size // 2, scale=scale)
    return nn.Sequential(conv, FusedLeakyReLU(out_channels))


class ModulatedWeight(nn.Module):
    """A weight, 1 x O x I x k x k, and the affine map from the latent to one style per input channel.

    Args:
        transposed: use the memory format of a transposed convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, style_dim: int, transposed: bool = False):
        super().__init__()
        if transposed:
            weight = _channels_last(in_channels, out_channels, kernel_size).transpose(0, 1)
        else:
            weight = _channels_last(out_channels, in_channels, kernel_size)
        self.weight = nn.Parameter(weight.unsqueeze(0))
        self.scale = 1.0 / math.sqrt(in_channels * kernel_size**2)
        self.modulation = EqualLinear(style_dim, in_channels, bias=1.0)


class ModulatedConv(ModulatedWeight):
    """Modulated and demodulated 3 x 3 convolution; optionally doubles the resolution."""

    energy: Tensor | None  # set while the weight is frozen, see _energy

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, upsample: bool):
        super().__init__(in_channels, out_channels, 3, style_dim, transposed=upsample)
        self.blur = FIR(gain=4.0) if upsample else None
        self.register_buffer("energy", None, persistent=False)

    def freeze(self) -> None:
        """Cache what depends only on the weight; undone by `train()`, loading and a weight with gradient."""
        self.energy = self._energy()

    def train(self, mode: bool = True) -> ModulatedConv:
        if mode:
            self.energy = None
        super().train(mode)
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.energy = None
        super()._load_from_state_dict(*args, **kwargs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Convolve without the demodulation, which the caller applies with its own factor per channel.

        1. Scale the input channels by the style.
        2. Convolve; to double the resolution, use a transposed convolution and filter its result.

        Args:
            x: B x I x H x W; may be overwritten.
            style: B x I.

        Returns:
            B x O x H x W (or 2H x 2W).
        """
        x = scale_channels(x, style)
        weight = self.weight[0].to(x.dtype)
        if self.blur is None:
            return F.conv2d(x, weight, padding=1)
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # B x O x (2H + 1) x (2W + 1)
        return fir_filter(x, self.blur.kernel, padding=1)

    def modulate(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Style, B x I, and demodulation, B x O, in float32.

        The style is normalised to a maximum of `scale`, and the demodulation compensates for it, so maps stay in the
        range of float16 (as in the code of StyleGAN2-ADA).
        """
        style = self.modulation(latent)
        peak = style.detach().abs().amax(dim=1, keepdim=True).clamp(min=EPSILON)
        style = style * (self.scale / peak)
        energy = self._energy() if self.energy is None or self.weight.requires_grad else self.energy
        return style, torch.rsqrt(linear_fp32(style.square(), energy) + EPSILON / peak.square())

    def _energy(self) -> Tensor:
        """Squared weight summed over the kernel, O x I."""
        return self.weight[0].float().square().sum(dim=(2, 3))


Modulation = tuple[Tensor, Tensor]
"""Factors of one layer in float32: B x I for its input channels, B x 2 O for its output and the features."""


class NoiseWeight(nn.Module):
    """Scalar weight of the encoder's features."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 0.0))


class StyledConv(nn.Module):
    """Modulated convolution, concatenation of its result with the encoder's features, bias and activation."""

    def __init__(self, in_channels: int, out_channels: int, style_dim: int, upsample: bool = False):
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, style_dim, upsample)
        self.noise = NoiseWeight()
        self.activate = FusedLeakyReLU(2 * out_channels)

    def modulate(self, latent: Tensor) -> Modulation:
        """Compute the factors of this layer from the latent vector, B x style_dim."""
        style, demodulation = self.conv.modulate(latent)
        return style, torch.cat([demodulation, self.noise.weight.float().expand_as(demodulation)], dim=1)

    def forward(self, x: Tensor, modulation: Modulation, feature: Tensor) -> Tensor:
        """Run one layer of the decoder.

        Args:
            x: B x I x H x W; may be overwritten.
            modulation: from `modulate`.
            feature: B x O x H x W (or 2H x 2W).

        Returns:
            B x 2 O x H x W (or 2H x 2W).
        """
        style, gain = modulation
        return self.activate(concatenate(self.conv(x, style), feature, spare=x), gain)


class ToRGB(nn.Module):
    """Modulated 1 x 1 convolution to RGB, added to the upsampled RGB of the level below; float32."""

    def __init__(self, in_channels: int, style_dim: int, upsample: bool = True):
        super().__init__()
        self.conv = ModulatedWeight(in_channels, 3, 1, style_dim)
        self.bias = nn.Parameter(torch.full((1, 3, 1, 1), 0.0))
        self.upsample = FIR(gain=4.0) if upsample else None

    def modulate(self, latent: Tensor) -> Tensor:
        """The style, B x I."""
        return self.conv.modulation(latent) * self.conv.scale

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        """Compute the RGB output of one level.

        1. Multiply the weight by the style, which gives one small matrix per sample, and apply it to the pixels.
        2. Add the bias and the upsampled `skip`.

        Args:
            x: B x I x H x W.
            style: from `modulate`.
            skip: B x 3 x H/2 x W/2; None at the first level.

        Returns:
            B x 3 x H x W.
        """
        weight = self.conv.weight[0, :, :, 0, 0].float() * style[:, None]  # B x 3 x I
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # B x HW x I
        rgb = (pixels @ weight.transpose(1, 2).to(x.dtype)).float()  # B x HW x 3
        rgb = rgb.transpose(1, 2).unflatten(2, x.shape[2:]) + self.bias.float()
        if skip is None or self.upsample is None:
            return rgb
        with without_autocast(x.device):
            return rgb + fir_upsample(skip, self.upsample.kernel)


class ConstantInput(nn.Module):
    """The learned 4 x 4 map from which the decoder starts."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.normal(0.0, 1.0, (1, channels, 4, 4)))

    def forward(self, batch: int) -> Tensor:
        return self.input.repeat(batch, 1, 1, 1)


def _channels_last(rows: int, columns: int, kernel_size: int) -> Tensor:
    """A random rows x columns x k x k weight in the memory format of channels-last convolutions."""
    return torch.normal(0.0, 1.0, (rows, kernel_size, kernel_size, columns)).permute(0, 3, 1, 2)

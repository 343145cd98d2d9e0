"""GPEN's generator (Yang et al. 2021, "GAN Prior Embedded Network for Blind Face Restoration in the Wild").

A U-shaped network: an encoder turns the degraded face into one latent vector and a feature map per
resolution; a StyleGAN2 decoder generates the restored face, with those feature maps as its noise inputs.

Modules and parameters have the names and shapes of the authors' code, so checkpoints can be exchanged in both
directions. The arithmetic is arranged differently and equals theirs up to rounding:

- A modulated convolution scales its input by the style and its output by the demodulation, so that one weight
  serves the whole batch (Karras et al. 2020, section 2.2, has both forms).
- Constant factors are applied to small tensors next to the convolutions.
- Maps and weights are stored channels-last, and maps are overwritten when no longer needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...weights.checkpoint import unwrap
from ..errors import CheckpointError, ImageError
from .config import GeneratorConfig
from .layers import (
    ConstantInput,
    EqualLinear,
    ModulatedConv,
    Modulation,
    PixelNorm,
    PlainConv,
    StyledConv,
    ToRGB,
    conv_layer,
    encoder_layer,
)

# The authors' learning-rate multiplier of the mapping network.
MAPPING_LR = 0.01


class Modulations(NamedTuple):
    """Factors of the decoder's layers computed from the latent vector, coarsest layer first.

    Attributes:
        styled: factors of the styled convolutions.
        painted: styles of the RGB layers, B x I each.
    """

    styled: list[Modulation]
    painted: list[Tensor]


class Decoder(nn.Module):
    """StyleGAN2's generator with the encoder's features in place of noise."""

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        dim, channels = config.style_dim, config.channels
        mapping = [EqualLinear(dim, dim, lr=MAPPING_LR, activate=True) for _ in range(config.n_mlp)]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        self.input = ConstantInput(channels[0])
        self.conv1 = StyledConv(channels[0], channels[0], dim)
        self.to_rgb1 = ToRGB(2 * channels[0], dim, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for below, here in pairwise(channels):
            self.convs.append(StyledConv(2 * below, here, dim, upsample=True))
            self.convs.append(StyledConv(2 * here, here, dim))
            self.to_rgbs.append(ToRGB(2 * here, dim))

    def modulate(self, latent: Tensor) -> Modulations:
        """Compute the factors of every layer from the latent vector, B x style_dim."""
        latent = self.style(latent)
        styled = [self.conv1, *self.convs]
        painters = [self.to_rgb1, *self.to_rgbs]
        return Modulations([layer.modulate(latent) for layer in styled], [layer.modulate(latent) for layer in painters])

    def forward(self, modulations: Modulations, features: list[Tensor]) -> Tensor:
        """Generate faces.

        Args:
            modulations: result of `modulate`.
            features: one map per resolution, finest first; removed from the list when used, to free their memory.

        Returns:
            B x 3 x S x S, float32.
        """
        styled, painted = modulations
        feature = features.pop()
        # Not `len`, which exporters treat as a constant.
        x = self.conv1(self.input(painted[0].shape[0]).to(feature.dtype), styled[0], feature)
        rgb = self.to_rgb1(x, painted[0])
        for level, to_rgb in enumerate(self.to_rgbs):
            feature = features.pop()
            x = self.convs[2 * level](x, styled[2 * level + 1], feature)
            x = self.convs[2 * level + 1](x, styled[2 * level + 2], feature)
            rgb = to_rgb(x, painted[level + 1], rgb)
        return rgb


class Generator(nn.Module):
    """GPEN with random weights, for training. `build_generator` loads a checkpoint.

    `state_dict()` has the authors' names and shapes. Its weights are channels-last in memory; call `.contiguous()` for
    formats such as safetensors that need contiguous tensors.
    """

    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.generator = Decoder(config)
        finest_first = config.channels[::-1]
        self.ecd0 = nn.Sequential(conv_layer(3, finest_first[0], 1))
        for index, (above, here) in enumerate(pairwise(finest_first), start=1):
            self.add_module(f"ecd{index}", nn.Sequential(encoder_layer(above, here)))
        self.final_linear = nn.Sequential(EqualLinear(config.channels[0] * 4 * 4, config.style_dim, activate=True))

    def forward(self, x: Tensor) -> Tensor:
        """Restore aligned faces.

        Args:
            x: B x 3 x S x S, floating point, RGB in -1..1; S is `config.size`.

        Returns:
            The same shape and dtype, about -1..1, not clamped.

        Raises:
            ImageError: the shape is wrong, or the values are integers.
        """
        size = self.config.size
        if x.ndim != 4 or x.shape[1:] != (3, size, size) or not x.is_floating_point():
            raise ImageError(
                f"GPEN-{size} needs floating-point faces of shape (batch, 3, {size}, {size}), but got "
                f"{tuple(x.shape)} in {x.dtype}; align faces to {size} pixels first."
            )
        feature = x.to(self.map_dtype).contiguous(memory_format=torch.channels_last)
        features = []
        for index in range(len(self.config.channels)):
            feature = getattr(self, f"ecd{index}")(feature)
            features.append(feature)
        return self.generator(self.modulate(feature), features).to(x.dtype)

    @property
    def map_dtype(self) -> torch.dtype:
        """The dtype of the maps: that of the weights, or float32 if the device only emulates that.

        CPUs convert float16 in every operation: a face of 512 pixels took 35 s, compared with 1.5 s in float32.
        """
        weight = self.generator.input.input
        return torch.float32 if (weight.device.type, weight.dtype) == ("cpu", torch.float16) else weight.dtype

    def modulate(self, feature: Tensor) -> Modulations:
        """Compute the decoder's factors from the coarsest map, B x C x 4 x 4; always in float32."""
        return self.generator.modulate(self.final_linear(feature.flatten(1)))

    def freeze(self) -> Generator:
        """Compute once what depends only on the weights; call `train()` before changing them in place."""
        for module in self.modules():
            if isinstance(module, ModulatedConv):
                module.freeze()
        return self

    def set_precision(self, dtype: torch.dtype) -> Generator:
        """Convert the convolutions' weights to `dtype` in place, and compute the maps in it (see `map_dtype`).

        Operations on vectors stay in float32: they cost almost nothing, and their errors would shift whole channels,
        while the convolutions' errors average out.
        """
        for module in self.modules():
            if isinstance(module, PlainConv | ModulatedConv | ConstantInput):
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.data.to(dtype)
        return self

    def activation_bytes(self) -> int:
        """Approximate peak memory of the activations of one face in bytes, in the dtype of the maps."""
        return self.config.activation_values() * self.map_dtype.itemsize


def build_generator(state_dict: Mapping[str, object]) -> Generator:
    """Build GPEN from a checkpoint, which determines all sizes.

    Args:
        state_dict: flat, or nested and prefixed as saved by training code (see `weights.checkpoint.unwrap`); of any
            floating-point dtype, on any device. The values are copied.

    Returns:
        The network, frozen, in evaluation mode, float32, on the CPU, without gradients. To train it, call
        `.train().requires_grad_(True)`.

    Raises:
        NotGPENError: the tensors are not those of a GPEN generator; the message says what they seem to be.
        CheckpointError: a GPEN generator with missing, unexpected or misshapen tensors.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.network import build_generator
        >>> from gpen_blocks.weights import checkpoint, store
        >>> generator = build_generator(checkpoint.read(store.resolve("gpen-lite-256").path).tensors)
        >>> generator(torch.zeros(1, 3, 256, 256)).shape
        torch.Size([1, 3, 256, 256])
    """
    tensors = {str(name): value for name, value in unwrap(state_dict).items() if isinstance(value, Tensor)}
    with torch.device("meta"):  # allocate nothing until the checkpoint is known to fit
        generator = Generator(GeneratorConfig.from_state_dict(tensors))
    needed = generator.state_dict()
    _check_fit(tensors, needed, generator.config.size)
    laid_out = {name: _laid_out_as(like, tensors[name]) for name, like in needed.items()}
    generator.load_state_dict(laid_out, assign=True)
    return generator.eval().requires_grad_(False).freeze()


def _laid_out_as(like: Tensor, value: Tensor) -> Tensor:
    """A copy of `value` on the CPU with the dtype and memory format of `like`."""
    return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device="cpu").copy_(value)


def _check_fit(tensors: Mapping[str, Tensor], needed: Mapping[str, Tensor], size: int) -> None:
    """Raise CheckpointError if tensors do not fit, and name a few of them."""
    faults = {
        "missing": [name for name in needed if name not in tensors],
        "not GPEN's": [name for name in tensors if name not in needed],
        "of another shape": [
            f"{name} {tuple(tensors[name].shape)} instead of {tuple(value.shape)}"
            for name, value in needed.items()
            if name in tensors and tensors[name].shape != value.shape
        ],
    }
    found = [f"{len(names)} {fault} ({_few(names)})" for fault, names in faults.items() if names]
    if found:
        raise CheckpointError(
            f"This looks like GPEN-{size}, but of its tensors {', '.join(found)}; the file "
            "is damaged or an unknown variant, so download it again or use another one."
        )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")

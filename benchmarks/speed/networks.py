"""Networks to measure: the bundled one, and the official shapes with weights that the golden outputs were made with.

Speed does not depend on the weights, and the official ones may not be passed on.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import torch

from gpen_blocks.gpen.network import Generator, GeneratorConfig, build_generator
from gpen_blocks.gpen.network.ops import fir_kernel

# In the terms of the authors' code: size, and the widths of their checkpoints.
OFFICIAL = {
    256: {"channel_multiplier": 1, "narrow": 0.5},
    512: {"channel_multiplier": 2, "narrow": 1},
    1024: {"channel_multiplier": 2, "narrow": 1},
    2048: {"channel_multiplier": 2, "narrow": 1},
}


def config(size: int) -> GeneratorConfig:
    """The sizes of an official shape."""
    return GeneratorConfig.from_multipliers(size, **OFFICIAL[size])


def official_tensors(size: int) -> dict[str, torch.Tensor]:
    """The tensors of an official shape, each from a seed that its name gives."""
    with torch.device("meta"):
        shapes = Generator(config(size)).state_dict()
    return {name: golden_value(name, like.shape) for name, like in shapes.items()}


def official(size: int) -> Generator:
    """A network of an official shape."""
    return build_generator(official_tensors(size))


def faces(size: int, count: int) -> torch.Tensor:
    """Noise in the place of faces, count x 3 x size x size in -1..1."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def flops(config: GeneratorConfig) -> int:
    """Operations of one face in convolutions and painting layers, a product and a sum counted as two."""
    channels = config.channels
    sides = [4 << level for level in range(len(channels))]
    products = 3 * channels[-1] * sides[-1] ** 2 + 9 * channels[0] ** 2 * sides[0] ** 2
    for below, here, side in zip(channels, channels[1:], sides[1:], strict=False):
        coarse = (side // 2) ** 2
        products += 9 * below * here * coarse  # the encoder halves
        products += 9 * 2 * below * here * coarse  # the decoder doubles
        products += 9 * 2 * here * here * side**2
    products += sum(3 * 2 * count * side**2 for count, side in zip(channels, sides, strict=True))
    return 2 * products


def golden_value(name: str, shape: Sequence[int]) -> torch.Tensor:
    """A tensor of the golden networks: normal noise seeded by the tensor's name, scaled by its role."""
    if name.endswith(".kernel"):
        return fir_kernel(4.0 if name.startswith("generator.") else 1.0)
    chance = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    values = torch.from_numpy(chance.standard_normal(tuple(shape), dtype=np.float32))
    if name.endswith("noise.weight"):
        return torch.full(tuple(shape), 0.3)
    if name.endswith("modulation.bias"):
        return 1 + 0.1 * values
    if name.endswith("bias"):
        return 0.1 * values
    return 100 * values if ".style." in name else values

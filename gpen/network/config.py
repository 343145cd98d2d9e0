"""Configuration of a GPEN generator, derived from its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from torch import Tensor

from ..errors import NotGPENError
from .identify import describe

# Channels of the reference at narrow = 1: 512 up to 32 x 32, then 16384 / resolution times the multiplier.
BASE_CHANNELS = 512
BASE_AREA = 16384

SIGNATURE = (
    "generator.style.1.weight",
    "generator.input.input",
    "generator.convs.0.conv.weight",
    "ecd0.0.0.weight",
    "final_linear.0.weight",
)


@dataclass(frozen=True)
class GeneratorConfig:
    """The sizes of a GPEN generator.

    Attributes:
        size: side of its square input and output in pixels; a power of two.
        style_dim: length of the latent vector.
        n_mlp: layers of the mapping network.
        channels: feature channels at 4 x 4, 8 x 8, ... size x size.
    """

    size: int
    style_dim: int
    n_mlp: int
    channels: tuple[int, ...]

    @classmethod
    def from_multipliers(
        cls, size: int, style_dim: int = 512, n_mlp: int = 8, channel_multiplier: float = 2, narrow: float = 1
    ) -> GeneratorConfig:
        """Configuration from the reference's parameters: `narrow` for all levels, the multiplier from 64 on."""
        resolutions = [2**i for i in range(2, size.bit_length())]
        coarse = int(BASE_CHANNELS * narrow)
        channels = [
            coarse if side <= 32 else int(BASE_AREA // side * channel_multiplier * narrow) for side in resolutions
        ]
        return cls(size, style_dim, n_mlp, tuple(channels))

    @classmethod
    def from_state_dict(cls, tensors: Mapping[str, Tensor]) -> GeneratorConfig:
        """Derive the configuration from the shapes of a flat state dict; values are not read.

        Raises:
            NotGPENError: the tensors are not those of a GPEN generator; the message says what they seem to be.
        """
        if not all(key in tensors for key in SIGNATURE):
            raise _not_gpen(describe(tensors))
        levels = _count(tensors, "ecd{}.0.1.weight", start=1) + 1
        painted = _count(tensors, "generator.convs.{}.conv.weight") // 2 + 1
        if painted != levels:
            raise _not_gpen(f"a GPEN with an input of {2 ** (levels + 1)} and an output of {2 ** (painted + 1)} pixels")
        channels = [_dim(tensors, "generator.input.input", 1)]
        channels += [_dim(tensors, f"generator.convs.{2 * i}.conv.weight", 1) for i in range(levels - 1)]
        return cls(
            size=2 ** (levels + 1),
            style_dim=_dim(tensors, "final_linear.0.weight", 0),
            n_mlp=_count(tensors, "generator.style.{}.weight", start=1),
            channels=tuple(channels),
        )

    @property
    def narrow(self) -> float:
        """Width factor of all layers, as defined in the reference."""
        return self.channels[0] / BASE_CHANNELS

    @property
    def channel_multiplier(self) -> float:
        """Width factor of the layers from 64 x 64 on, as defined in the reference; 1 if there are none."""
        finer = self.channels[4:]
        return finer[0] / (BASE_AREA / 64 * self.narrow) if finer else 1.0

    def activation_values(self) -> int:
        """Approximate number of values of the maps that one face needs at once.

        The sum of the encoder's maps, which are kept until the decoder has used them, and of the maps in the finest
        decoder layer: its input and output of twice the channels, and two copies of the convolution's result.
        """
        maps = [channels * (4 << level) ** 2 for level, channels in enumerate(self.channels)]
        return sum(maps) + 6 * maps[-1]


def _not_gpen(what: str) -> NotGPENError:
    return NotGPENError(
        f"This checkpoint seems to be {what}, but a GPEN generator is needed, such as GPEN-BFR-512.pth; "
        "`gpen models list` shows the known ones."
    )


def _count(tensors: Mapping[str, Tensor], key: str, start: int = 0) -> int:
    """Number of tensors under `key`, counted from index `start`."""
    return next(number for number in count(start) if key.format(number) not in tensors) - start


def _dim(tensors: Mapping[str, Tensor], key: str, axis: int) -> int:
    shape = tensors[key].shape
    if len(shape) <= axis:
        raise _not_gpen(f"a damaged GPEN, whose {key} has the shape {tuple(shape)}")
    return shape[axis]

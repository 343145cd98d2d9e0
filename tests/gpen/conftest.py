"""The golden networks: the small one of tests/data, and the official sizes with weights made by a recipe. And faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.torch import load_file
from speed.networks import official_tensors
from torch import Tensor

from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.images import read_picture

ROOT = Path(__file__).resolve().parents[2]
StateDict = dict[str, Tensor]


class Golden(NamedTuple):
    """A state dict, an input, and the output the reference implementation gave for it."""

    state_dict: StateDict
    input: Tensor
    output: Tensor


@pytest.fixture(scope="session")
def tiny() -> Golden:
    """A whole random GPEN of 64 x 64 pixels; 64 in style_dim, 4 in n_mlp, channels 64, 64, 64, 64, 32."""
    tensors = load_file(Path(__file__).parents[1] / "data" / "generator_tiny_64.safetensors")
    prefix = "state_dict."
    weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return Golden(weights, tensors["input"], tensors["output"])


@pytest.fixture(scope="session")
def official_golden(shared: Path) -> Callable[[int], Golden]:
    """The golden of the official model of a size."""

    def make(size: int) -> Golden:
        io = load_file(shared / "golden" / f"generator_{size}.safetensors")
        return Golden(official_tensors(size), io["input"], io["output"])

    return make


@pytest.fixture(scope="session")
def sharp(examples: Path) -> Tensor:
    """A sharp face that a network made, 1 x 3 x 1024 x 1024 in 0..1."""
    return read_picture(examples / "faces" / "sharp.jpg").pixels


@pytest.fixture(scope="session")
def aligned_faces(examples: Path) -> np.ndarray:
    """40 x 256 x 256 x 3, 8 bits: held-out faces where ../shared is, else those of examples/ again and again."""
    table = ROOT.parent / "shared" / "data" / "faces-256.parquet"
    if table.is_file():
        return read_faces(table, 40, every=10)
    return np.resize(read_faces(examples / "faces", size=256), (40, 256, 256, 3))

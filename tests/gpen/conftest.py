"""The golden networks: the small one of tests/data, and the official sizes with weights made by a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors.torch import load_file
from speed.networks import golden_value
from torch import Tensor

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
def official(shared: Path) -> dict[str, dict[str, Any]]:
    """By model name: its configuration, parameter count and the shape of every tensor."""
    return json.loads((shared / "golden" / "official_tensors.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def official_golden(shared: Path, official: dict[str, dict[str, Any]]) -> Callable[[int], Golden]:
    """The golden of the official model of a size."""

    def make(size: int) -> Golden:
        shapes = official[f"GPEN-BFR-{size}"]["tensors"]
        io = load_file(shared / "golden" / f"generator_{size}.safetensors")
        weights = {name: golden_value(name, shape) for name, shape in shapes.items()}
        return Golden(weights, io["input"], io["output"])

    return make

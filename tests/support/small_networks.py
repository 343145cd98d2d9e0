"""Small seeded GPENs for the other tasks, written as files."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from gpen_blocks.gpen.network import Generator, GeneratorConfig
from gpen_blocks.gpen.training.generator.identity_start import start_as_identity

SIZE = 64


def write_network(folder: Path, task: str, *, same: bool = False, size: int = SIZE) -> str:
    """The path of a network for a task: one that answers what it is shown, or one with random weights."""
    torch.manual_seed(3)
    generator = Generator(GeneratorConfig.from_multipliers(size, 32, 2, 1, 0.0625))
    if same:
        start_as_identity(generator)
    path = folder / f"{task}-{'same' if same else 'random'}.safetensors"
    tensors = {name: value.contiguous() for name, value in generator.state_dict().items()}
    save_file(tensors, path, metadata={"task": task, "template": "ffhq"})
    return str(path)

"""Small seeded GPENs for the other tasks, written as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save_file

from gpen_blocks.gpen.network import Generator, GeneratorConfig
from gpen_blocks.gpen.training.generator.identity_start import start_as_identity
from gpen_blocks.weights import registry

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


def network_in_comfyui(comfyui: Any, task: str, file: str, *, same: bool = False) -> str:
    """The path of such a network among the user's own models of a ComfyUI."""
    folder = comfyui.base / "models" / "gpen"
    folder.mkdir(exist_ok=True)
    return str(Path(write_network(folder, task, same=same)).replace(folder / file))


@contextmanager
def standing_in(comfyui: Any, model: str) -> Iterator[None]:
    """A random network in the place of a model of the registry, for as long as that takes."""
    record = registry.get(model)
    assert record.task is not None
    path = Path(network_in_comfyui(comfyui, record.task, record.file))
    tensors = load(path.read_bytes())  # no map of the file that is written
    torch.save(tensors, path)
    try:
        yield
    finally:
        path.unlink()

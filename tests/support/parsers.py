"""Face parsers of the right shapes that have learnt nothing: no trained one may be here."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gpen_blocks.gpen.faces.masks.parsing_networks import BiSeNet
from gpen_blocks.weights import registry

CLASSES = 19


def save_parser(path: Path) -> Path:
    """Write a BiSeNet of random weights."""
    torch.manual_seed(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in BiSeNet(CLASSES).state_dict().items()}, path)
    return path


def forget_registry() -> None:
    """Read the registry again when it is next asked."""
    for remembered in (registry.records, registry._names):
        remembered.cache_clear()


def publish_parser(patch: pytest.MonkeyPatch, file: Path, copy: Path) -> None:
    """Give the registry's bisenet the size and hash of a file, in a copy of the registry.

    `forget_registry` is to be called after the test.
    """
    text = registry.REGISTRY_FILE.read_text(encoding="utf-8")
    before, entry = text.split('name = "bisenet"')
    data = file.read_bytes()
    lines = entry.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("[["):
            break
        if line.startswith("file ="):
            lines[number] = f'file = "{file.name}"'
        if line.startswith("bytes ="):
            lines[number] = f"bytes = {len(data)}"
        if line.startswith("sha256 ="):
            lines[number] = f'sha256 = "{hashlib.sha256(data).hexdigest()}"'
    copy.write_text(before + 'name = "bisenet"' + "\n".join(lines), encoding="utf-8")
    patch.setattr(registry, "REGISTRY_FILE", copy)
    forget_registry()

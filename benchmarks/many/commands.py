"""The commands that are measured, with the models that come with the package."""

from __future__ import annotations

import sys
from pathlib import Path

MODEL, DETECTOR = "gpen-lite-256", "face-detector-lite"
_STARTER = Path(__file__).resolve().parents[1]


def options(model: str = MODEL, device: str = "cpu") -> tuple[str, ...]:
    """Options of `gpen restore` that all measurements share."""
    return ("--model", model, "--detector", DETECTOR, "--device", device)


def restore(source: Path, output: Path, *more: str, model: str = MODEL, device: str = "cpu") -> list[str]:
    """`gpen restore` on a file or folder."""
    gpen = (sys.executable, "-m", "gpen_blocks.gpen.cli")
    return [*gpen, "restore", str(source), "--output", str(output), *options(model, device), *more]


def benchmark(module: str, *arguments: object) -> list[str]:
    """A module of the benchmarks as a command."""
    return [sys.executable, str(_STARTER), module, *map(str, arguments)]

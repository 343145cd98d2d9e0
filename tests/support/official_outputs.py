"""A few numbers of what networks of the official shapes give, for whoever has no file of the reference's.

`PYTHONPATH=benchmarks python tests/support/official_outputs.py` writes them anew; do so only where the tests against
the reference's own outputs pass, which need ../shared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from speed.networks import faces, official
from torch import Tensor

FILE = Path(__file__).resolve().parents[1] / "data" / "official_outputs.json"
SIZES = (256, 512)
_SAMPLES = 64


def digest(shapes: Mapping[str, Sequence[int]]) -> str:
    """SHA-256 of the names and shapes of tensors, in the order of their names."""
    lines = (f"{name} {'x'.join(map(str, shapes[name]))}" for name in sorted(shapes))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def numbers(output: Tensor) -> dict[str, Any]:
    """Mean, standard deviation and 64 values spread over an output."""
    flat = output.flatten().double()
    places = torch.arange(_SAMPLES) * (len(flat) // _SAMPLES)
    return {"mean": float(flat.mean()), "deviation": float(flat.std()), "values": flat[places].tolist()}


def measured(size: int) -> dict[str, Any]:
    """Those of the network whose weights a recipe makes, for one face of noise."""
    with torch.inference_mode():
        return numbers(official(size)(faces(size, 1)))


if __name__ == "__main__":
    FILE.write_text(json.dumps({size: measured(size) for size in SIZES}, indent=1) + "\n", encoding="utf-8")

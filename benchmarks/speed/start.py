"""From a command to its result, each in a process of its own: a photograph with the bundled models, `import torch`.

Every import is part of it. Where Python finds no compiled modules and may not write any, it compiles all anew at each
start; `compiled` tells.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from .apart import timed

ROOT = Path(__file__).resolve().parents[2]
_ROUNDS = 3
_GPEN = (sys.executable, "-m", "gpen_blocks.gpen.cli")


def measure() -> dict[str, Any]:
    """Seconds of each command, in turns: what passes on the clock, and what the processors worked for it."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import torch": (sys.executable, "-c", "import torch"),
            "gpen --help": (*_GPEN, "--help"),
            "from gpen_blocks import Restorer": (sys.executable, "-c", "from gpen_blocks import Restorer"),
            "gpen restore": (
                *(*_GPEN, "restore", str(ROOT / "examples" / "portrait-degraded.jpg")),
                *("--output", str(Path(folder) / "restored.jpg"), "--overwrite"),
                *("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--device", "cpu"),
            ),
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for number in range(_ROUNDS + 1):
            for name, command in commands.items():
                figures = timed(command)
                if number:  # the first round only fills the caches of the system
                    taken[name].append(figures)
                print(name, [round(value, 2) for value in figures], flush=True)
    rows = [{"command": name, "wall": _best(figures, 0), "work": _best(figures, 1)} for name, figures in taken.items()]
    load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
    return {"rounds": _ROUNDS, "load": load, "compiled": not sys.dont_write_bytecode, "rows": rows}


def _best(figures: list[tuple[float, float]], index: int) -> float:
    return round(min(one[index] for one in figures), 3)

"""A measurement in a process of its own, which other measurements do not disturb."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_STARTER = Path(__file__).resolve().parents[1]


def apart(module: str, *arguments: object) -> Any:
    """What a module of the benchmarks, such as `speed.memory`, prints as JSON in its last line."""
    command = [sys.executable, str(_STARTER), module, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])

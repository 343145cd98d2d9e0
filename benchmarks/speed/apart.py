"""A measurement in a process of its own, which other measurements do not disturb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_STARTER = Path(__file__).resolve().parents[1]


def apart(module: str, *arguments: object) -> Any:
    """What a module of the benchmarks, such as `speed.memory`, prints as JSON in its last line."""
    command = [sys.executable, str(_STARTER), module, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; seconds on the clock, and what the processors worked for it and its children.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wall, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    work = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, work

"""A measurement in a process of its own, which other measurements do not disturb."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def apart(script: str, *arguments: object) -> Any:
    """What a script prints as JSON in its last line, run with these arguments."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])

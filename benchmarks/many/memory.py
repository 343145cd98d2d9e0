"""Resident memory of a job over thousands of pictures: `gpen restore` as it is, looked at from outside."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

from . import commands, photographs

# Different pictures; the others are the same under other names.
_DIFFERENT = 100
# Pictures in a row of the table, and seconds between two looks.
_STEP, _LOOK_EVERY = 50, 0.1


def measure(number: int, given: Path | None) -> dict[str, Any]:
    """Memory of a job on so many pictures of 1024 x 1024, by the number of pictures done; Linux only.

    Returns:
        Megabytes in rows of 50 pictures, and how much more the later rows have than the second one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = photographs.make(folder / "in", min(number, _DIFFERENT), given=given)
        for index in range(len(files), number):
            os.link(files[index % len(files)], folder / "in" / f"p{index:05d}.jpg")
        began = time.perf_counter()
        looks = _watch(commands.restore(folder / "in", folder / "out"))
        seconds = time.perf_counter() - began
        results = sum(1 for path in (folder / "out").iterdir() if path.suffix == ".jpg")
        if results != number:
            raise RuntimeError(f"{results} results instead of {number}")
    rows = []
    for start in range(0, number, _STEP):
        found = [memory for done, memory in looks if start < done <= start + _STEP]
        if found:
            rows.append({"pictures": start + _STEP, "median": round(median(found)), "most": round(max(found))})
            print(rows[-1], flush=True)
    later = rows[1:] or rows
    return {
        "pictures": number,
        "different": min(number, _DIFFERENT),
        "seconds": round(seconds, 1),
        "load": round(os.getloadavg()[0], 1),
        "growth of the median": round(max(row["median"] for row in later) / later[0]["median"] - 1, 4),
        "growth of the most": round(max(row["most"] for row in later) / later[0]["most"] - 1, 4),
        "median at the end over that after 100": round(rows[-1]["median"] / later[0]["median"] - 1, 4),
        "rows": rows,
    }


def _watch(command: list[str]) -> list[tuple[int, float]]:
    """Run a command that prints a line for each picture: number of lines, and megabytes of memory, at each look."""
    looks: list[tuple[int, float]] = []
    lines = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        out, errors = process.stdout, process.stderr
        assert out and errors
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(_LOOK_EVERY):
                memory = _resident(process.pid)
                if memory:
                    looks.append((lines, memory))

        said: list[str] = []
        readers = [threading.Thread(target=look), threading.Thread(target=lambda: said.extend(errors))]
        for reader in readers:
            reader.start()
        for line in out:
            lines += " → " in line
        code = process.wait()
        ended.set()
        for reader in readers:
            reader.join()
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}: {''.join(said[-20:])}")
    return looks


def _resident(process: int) -> float:
    """Megabytes; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)

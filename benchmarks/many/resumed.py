"""A job of ten thousand pictures that is called again: with nothing left, and with one picture left."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from speed.apart import timed

from . import commands, photographs

_ROUNDS = 3
NOTHING, ONE, LOOKED = "nothing left", "one left", "gpen job"


def measure(number: int) -> dict[str, Any]:
    """Seconds of the same command again, start included.

    The job is done by a worker that copies, with the report of a picture that was really restored; the journal is as
    long as that of a real job.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (first, *_) = photographs.make(folder / "in", 1)
        for index in range(1, number):
            os.link(first, folder / "in" / f"p{index:05d}.jpg")
        output = folder / "out"
        again = commands.restore(folder / "in", output)
        _, *words = again[again.index("gpen_blocks.gpen.cli") :]
        done, _ = timed(commands.benchmark("many.worker", "copy", *words))
        print({"done by a worker that copies": round(done, 1)}, flush=True)
        _require(again, f"{number} were there already.")
        taken: dict[str, list[tuple[float, float]]] = {NOTHING: [], ONE: [], LOOKED: []}
        job = [*again[: again.index("restore")], "job", str(output)]
        for index in range(_ROUNDS):
            taken[NOTHING].append(timed(again))
            taken[LOOKED].append(timed(job))
            (output / f"p{index:05d}.jpg").unlink()
            taken[ONE].append(timed(again))
            print({what: round(figures[-1][0], 2) for what, figures in taken.items()}, flush=True)
        _require(again, f"{number} were there already.")
        size = (output / "gpen-job.sqlite").stat().st_size
    rows = [
        {"what": what, "seconds": round(min(wall for wall, _ in f), 2), "work": round(min(work for _, work in f), 2)}
        for what, f in taken.items()
    ]
    return {
        "pictures": number,
        "journal, MB": round(size / 1e6, 1),
        "copied, s": round(done, 1),
        "rounds": _ROUNDS,
        "load": round(os.getloadavg()[0], 1),
        "rows": rows,
    }


def _require(command: list[str], line: str) -> None:
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if line not in said.splitlines():
        raise RuntimeError(f"the command should say “{line}”, and says {said[-500:]}")

"""Peak memory of the network over batch and size: each point is a process of its own.

python benchmarks speed.memory SIZE FACES BATCH_SIZE    # prints seconds, megabytes before the pass, and at its peak
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from .apart import apart

# Faces of the job; a batch size of 0 is the package's own choice.
_FACES = 8
_POINTS = [(size, batch) for size in (256, 512, 1024) for batch in (1, 2, 4, 8, 0)] + [(2048, 1)]


def measure() -> list[dict[str, Any]]:
    """Peak memory of jobs of faces at several sizes and batch sizes, through `restore_crops`."""
    rows = []
    for size, batch in _POINTS:
        # Larger ones only say the same for minutes.
        faces = min(_FACES, {1024: 2, 2048: 1}.get(size, _FACES))
        if batch > faces:
            continue
        rows.append({"size": size, "faces": faces, "batch_size": batch, **apart("speed.memory", size, faces, batch)})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """One point."""
    import torch

    from gpen_blocks.gpen.devices import on_device
    from gpen_blocks.gpen.restore import automatic_batch_size, restore_crops

    from . import networks

    size, faces, batch = map(int, sys.argv[1:])
    generator = networks.official(size)
    crops = (networks.faces(size, faces) + 1) / 2
    before = _megabytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of building the network is forgotten
    start = time.perf_counter()
    restore_crops(generator, crops, keep_grayscale=False, batch_size=batch, place=on_device(torch.device("cpu")))
    seconds = time.perf_counter() - start
    chosen = batch or automatic_batch_size(generator, torch.device("cpu"))
    peak = _megabytes("VmHWM")
    print(json.dumps({"chosen": chosen, "seconds": round(seconds, 2), "before": round(before), "peak": round(peak)}))


def _megabytes(field: str) -> float:
    """A line of this process's status; Linux only."""
    with Path("/proc/self/status").open(encoding="utf-8") as status:
        line = next(line for line in status if line.startswith(field))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()

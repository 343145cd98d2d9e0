"""The network alone: every backend beside the published arithmetic, in batches of 1, 4 and 16."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Any

import torch

from .roofline import peak
from .ways import PUBLISHED, WAYS, seconds_apart

# All ways take their turn in each round, so that what else the machine does slows all of them.
_ROUNDS = 3
# The published arithmetic takes minutes and many gigabytes for more.
_PUBLISHED_BATCH = {256: 16, 512: 4, 1024: 1}
# Beyond so many pixels a batch is measured once, and only for these: it says what a smaller one says.
_MANY_PIXELS = 4 * 512**2
_FEW_WAYS = ("eager fp32", "eager bf16", "OpenVINO bf16")


def measure(sizes: tuple[int, ...], batches: tuple[int, ...]) -> dict[str, Any]:
    """Seconds a face and ratios, by size and batch; and the roof."""
    roofs = {"fp32": peak(torch.float32), "bf16": peak(torch.bfloat16)}
    rows: list[dict[str, Any]] = []
    for size in sizes:
        seconds: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
        for turn in range(_ROUNDS):
            for way in WAYS:
                chosen = [batch for batch in batches if _is_worth_it(way, size, batch, turn)]
                for batch, taken in (seconds_apart(size, way, chosen) if chosen else {}).items():
                    seconds[batch, way].append(taken / batch)
                    print(size, batch, way, round(taken / batch, 4), flush=True)
        for batch in batches:
            rows += [_row(size, batch, way, seconds) for way in WAYS if seconds[batch, way]]
    return {"roofs": roofs, "rows": rows}


def _is_worth_it(way: str, size: int, batch: int, turn: int) -> bool:
    if way == PUBLISHED and batch > _PUBLISHED_BATCH[size]:
        return False
    if way.startswith("compile") and (size != 512 or batch > 1):
        return False  # minutes to compile, and a batch runs face by face
    return batch == 1 or batch * size**2 <= _MANY_PIXELS or (way in _FEW_WAYS and turn == 0)


def _row(size: int, batch: int, way: str, seconds: dict[tuple[int, str], list[float]]) -> dict[str, Any]:
    taken, published = seconds[batch, way], seconds[batch, PUBLISHED]
    ratios = sorted(mine / theirs for mine, theirs in zip(taken, published, strict=True)) if published else []
    return {
        "size": size,
        "batch": batch,
        "way": way,
        "seconds": [round(value, 4) for value in (min(taken), median(taken), max(taken))],
        "ratio": [round(value, 3) for value in (ratios[0], median(ratios), ratios[-1])] if ratios else None,
        "rounds": len(taken),
    }

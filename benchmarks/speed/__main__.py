"""Measures what docs/performance.md says: figures go to docs/performance/results.json, charts beside it.

    python benchmarks speed                                  # everything, about an hour of two cores
    python benchmarks speed --only generators accuracy       # these parts anew; the others as they were measured
    python benchmarks speed --only generators --sizes 512    # likewise, of the network's sizes
    python benchmarks speed --only                           # measure nothing, draw the charts anew
    python benchmarks speed --photograph solvay.png          # with a photograph of many faces of your own

The machine should have nothing else to do. What is compared is compared within one run, in turns. Each part keeps the
machine, the date, and the load at its end.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from . import accuracy, blocks, charts, generators, gpu, memory, pictures, start
from .machine import machine

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "performance" / "results.json"
PARTS = ("start", "generators", "accuracy", "pictures", "memory", "blocks", "gpu")


def main() -> None:
    """Measure, keep the numbers, and draw the charts."""
    parser = argparse.ArgumentParser("python benchmarks speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="gpu: where there is one")
    parser.add_argument("--photograph", type=Path, help="a photograph of many faces, which is measured and not shown")
    parser.add_argument("--sizes", type=int, nargs="+", choices=(256, 512, 1024), default=[256, 512, 1024])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    portrait = ROOT / "examples" / "portrait.png"
    photographs = [path for path in (options.photograph, portrait) if path]
    measures = {
        "start": start.measure,
        "generators": lambda: generators.measure(tuple(options.sizes), tuple(options.batches)),
        "accuracy": lambda: accuracy.measure(photographs),
        "pictures": lambda: pictures.measure(options.photograph),
        "memory": memory.measure,
        "blocks": lambda: blocks.measure(portrait),
        "gpu": lambda: gpu.measure(torch.device("cuda"), portrait),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for part in options.only:
        if part == "gpu" and not torch.cuda.is_available():
            print("without gpu: torch finds no CUDA device")
            continue
        measured = measures[part]()
        if part == "generators" and part in results:
            kept = [row for row in results[part]["measured"]["rows"] if row["size"] not in options.sizes]
            measured["rows"] = sorted(kept + measured["rows"], key=lambda row: row["size"])
        results[part] = {"machine": machine(), "measured": measured}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    charts.draw(results, RESULTS.parent)


if __name__ == "__main__":
    main()

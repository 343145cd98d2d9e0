"""Measures what docs/performance.md says of jobs: figures go to docs/performance/jobs.json, charts beside it.

    python benchmarks many                                # everything, about half an hour of two cores
    python benchmarks many --only throughput memory       # these parts anew; the others as they were measured
    python benchmarks many --only                         # measure nothing, draw the charts anew
    python benchmarks many --photographs FOLDER           # JPEG files of your own instead of damaged examples
    python benchmarks many.killed --help                  # kill a job again and again

The machine should have nothing else to do. What is compared is compared within one run, in turns. Each part keeps the
machine, the date, and the loads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from speed.apart import apart
from speed.machine import machine

from . import charts, memory, ray_costs, resumed, scaling, throughput

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "performance" / "jobs.json"
PARTS = ("throughput", "network", "memory", "resumed", "killed", "scaling", "ray")


def main() -> None:
    """Measure, keep the numbers, and draw the charts."""
    parser = argparse.ArgumentParser("python benchmarks many", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="ray: needs gpen-blocks[ray]")
    parser.add_argument("--photographs", type=Path, help="a folder of JPEG files with a face each")
    parser.add_argument("--device", default="cpu", help="for throughput and network")
    parser.add_argument("--results", type=Path, default=RESULTS, help="another file for the figures")
    parser.add_argument("--pictures", type=int, default=100, help="for throughput and network")
    parser.add_argument("--many", type=int, default=2000, help="pictures for memory")
    parser.add_argument("--entries", type=int, default=10_000, help="pictures of the job that is called again")
    parser.add_argument("--waiting", type=int, default=32, help="pictures for scaling and ray; a multiple of 8")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds of the network for these two; 0: measured")
    parser.add_argument("--rounds", type=int, default=3, help="for throughput")
    options = parser.parse_args()
    given = options.photographs
    local = (scaling.THREADS, scaling.PROCESSES)
    measures = {
        "throughput": lambda: throughput.measure(options.pictures, given, options.device, rounds=options.rounds),
        "network": lambda: throughput.measure_large(options.pictures, given, options.device),
        "memory": lambda: memory.measure(options.many, given),
        "scaling": lambda: scaling.measure(options.waiting, local, seconds=options.wait),
        "ray": lambda: ray_costs.measure(options.waiting, options.wait),
        "killed": lambda: apart("many.killed"),
        "resumed": lambda: resumed.measure(options.entries),
    }
    file = options.results
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for part in options.only:
        results[part] = {"machine": machine(), "measured": measures[part]()}
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    charts.draw(results, file.parent)


if __name__ == "__main__":
    main()

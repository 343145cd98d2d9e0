"""Measures what docs/performance.md says, and writes it with its charts to docs/performance/.

    python benchmarks/run.py                                  # everything, about an hour of two cores
    python benchmarks/run.py --only generators accuracy       # these parts anew; the others as they were measured
    python benchmarks/run.py --only generators --sizes 512    # likewise, of the network's sizes
    python benchmarks/run.py --photograph solvay.png          # with a photograph of many faces of your own

The machine should have nothing else to do. What is compared is compared within one run, in turns.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

import accuracy
import generators
import gpu
import memory
import page
import pictures
import start
import torch

from gpen_blocks.gpen.versions import installed_version

DOCS = Path(__file__).resolve().parents[1] / "docs"
RESULTS = DOCS / "performance" / "results.json"
PARTS = ("start", "generators", "accuracy", "pictures", "memory", "gpu")


def main() -> None:
    """Measure, keep the numbers, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=(*PARTS, "page"), default=PARTS, help="gpu: where there is one")
    parser.add_argument("--photograph", type=Path, help="a photograph of many faces, which is measured and not shown")
    parser.add_argument("--sizes", type=int, nargs="+", choices=(256, 512, 1024), default=[256, 512, 1024])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    portrait = pictures.ROOT / "examples" / "portrait.png"
    photographs = [path for path in (options.photograph, portrait) if path]
    measures = {
        "start": start.measure,
        "generators": lambda: generators.measure(tuple(options.sizes), tuple(options.batches)),
        "accuracy": lambda: accuracy.measure(photographs),
        "pictures": lambda: pictures.measure(options.photograph),
        "memory": memory.measure,
        "gpu": lambda: gpu.measure(torch.device("cuda"), portrait),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    for part in options.only:
        if part == "page" or (part == "gpu" and not torch.cuda.is_available()):
            continue
        measured = measures[part]()
        if part == "generators" and part in results:
            kept = [row for row in results[part]["measured"]["rows"] if row["size"] not in options.sizes]
            measured["rows"] = sorted(kept + measured["rows"], key=lambda row: row["size"])
        results[part] = {"machine": machine(), "measured": measured}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if set(results) >= set(PARTS) - {"gpu"}:
        page.write(results, DOCS)


def machine() -> dict[str, Any]:
    """What was measured on, and when."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    packages = ("torch", "openvino", "onnxruntime")
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bf16": any(flag in flags for flag in ("avx512_bf16", "amx_bf16")),
        "load": [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        **{name: installed_version(name) or "-" for name in packages},
    }


if __name__ == "__main__":
    main()

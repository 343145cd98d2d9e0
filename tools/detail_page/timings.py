"""How long it takes, on one core."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.local_adaptive import enhance
from gpen_blocks.gpen.detail.spectrum.analysis import analyze
from gpen_blocks.gpen.detail.spectrum.charts import spectrum_chart, spectrum_image

from .measures import table

_RUNS = 15


def timings(crop: torch.Tensor) -> str:
    """A table of what one crop of 1 x 3 x 512 x 512 takes, and what it was taken on."""
    load = f", load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    other = crop.flip(-1)
    work: dict[str, Callable[[], object]] = {
        "local adaptive enhancement": lambda: enhance(crop),
        "spectrum (the numbers)": lambda: analyze(crop),
        "spectrum with its chart": lambda: spectrum_chart({"input": analyze(crop)}, dark=False),
        "spectrum with its image": lambda: spectrum_image(crop),
        "frequency blend": lambda: blend(crop, other),
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [[name, *_time(run)] for name, run in work.items()]
    finally:
        torch.set_num_threads(threads)
    machine = f"{_processor()}{load}, torch {torch.__version__.split('+')[0]}, one thread, median of {_RUNS} runs."
    return f"{table(['a crop of 512 x 512', 'processor time, ms', 'time on the clock, ms'], rows)}\n\n{machine}"


def _time(run: Callable[[], object]) -> tuple[str, str]:
    """Median processor time and time on the clock, after one run that does not count."""
    run()
    busy, clock = [], []
    for _ in range(_RUNS):
        started = time.process_time(), time.perf_counter()
        run()
        busy.append(time.process_time() - started[0])
        clock.append(time.perf_counter() - started[1])
    return tuple(f"{1000 * statistics.median(values):.0f}" for values in (busy, clock))  # type: ignore[return-value]


def _processor() -> str:
    """Its model, as the system names it."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()

"""What the blocks for detail take for one crop, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.local_adaptive import enhance
from gpen_blocks.gpen.detail.spectrum.analysis import analyze
from gpen_blocks.gpen.detail.spectrum.charts import spectrum_chart, spectrum_image
from gpen_blocks.gpen.images import read_picture

_RUNS = 15


def measure(portrait: Path) -> list[dict[str, Any]]:
    """Median milliseconds for a crop of 512 x 512 pixels: of the processor, and on the clock."""
    crop = read_picture(portrait).pixels[..., :512, :512].contiguous()
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
        return [{"block": name, **_time(run)} for name, run in work.items()]
    finally:
        torch.set_num_threads(threads)


def _time(run: Callable[[], object]) -> dict[str, float]:
    """Medians after one run that does not count."""
    run()
    processor, clock = [], []
    for _ in range(_RUNS):
        started = time.process_time(), time.perf_counter()
        run()
        processor.append(time.process_time() - started[0])
        clock.append(time.perf_counter() - started[1])
    return {
        "processor": round(1e3 * statistics.median(processor), 1),
        "clock": round(1e3 * statistics.median(clock), 1),
    }

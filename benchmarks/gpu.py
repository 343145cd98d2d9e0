"""A CUDA device: the network by backend and batch, how busy its kernels keep it, and portraits from file to file."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import networks
import torch
from roofline import peak
from torch import Tensor

from gpen_blocks.gpen.backends.engine import Engine, EngineError
from gpen_blocks.gpen.backends.onnxruntime_engine import OnnxRuntimeEngine
from gpen_blocks.gpen.backends.torch_engines import CompiledEngine, CudaGraphEngine
from gpen_blocks.gpen.devices import on_device, wait_for
from gpen_blocks.gpen.images import Picture, read_picture, write_picture
from gpen_blocks.gpen.models import LoadedModel, load_detector, load_generator
from gpen_blocks.gpen.network import Generator
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.stages import Networks

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_ROUNDS = 7


def measure(device: torch.device, portrait: Path, size: int = 512, batches: tuple[int, ...] = (1, 8, 32)) -> Any:
    """Rows of the network, and the time of 100 portraits of 1024 x 1024 pixels."""
    roofs = {name: peak(dtype, device) for name, dtype in _DTYPES.items()}
    generator = networks.official(size)
    rows = []
    for way, engine in ways(generator, device):
        for batch in batches:
            row = timed(engine, networks.faces(size, batch), device)
            rows.append({"size": size, "batch": batch, "way": way, **row})
            print(rows[-1], flush=True)
    small = load_generator("gpen-lite-256", "bf16", "auto", device)
    large = replace(small, module=copy.deepcopy(generator).set_precision(torch.bfloat16), backend="eager")
    runs = {small.name: small, f"official {size} shape": large}
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "roofs": roofs,
        "rows": rows,
        "portraits": {name: portraits(portrait, model, device) for name, model in runs.items()},
    }


def ways(generator: Generator, device: torch.device) -> Iterator[tuple[str, Engine]]:
    """What can be had on the device; names end with the number format."""
    for name, dtype in _DTYPES.items():
        own = copy.deepcopy(generator).set_precision(dtype).to(device)
        builders: dict[str, Callable[[], Engine]] = {
            "eager": lambda own=own: own,
            "CUDA graph": lambda own=own: CudaGraphEngine(own),
            "compile": lambda own=own: CompiledEngine(own),
            "TensorRT": lambda dtype=dtype: OnnxRuntimeEngine(generator, dtype, device, tensorrt=True),
        }
        for way, build in builders.items():
            if way == "compile" and name != "bf16":
                continue  # a minute for each batch
            try:
                yield f"{way} {name}", build()
            except EngineError as error:
                print(f"without {way} {name}: {error}")


def timed(engine: Engine, faces: Tensor, device: torch.device) -> dict[str, Any]:
    """Seconds a face, best and median, and the share of them in which kernels work."""
    faces = faces.to(device)

    def run() -> float:
        start = time.perf_counter()
        engine(faces)
        wait_for(device)
        return (time.perf_counter() - start) / len(faces)

    with torch.inference_mode():
        for _ in range(3):  # chooses kernels, records
            run()
        taken = [run() for _ in range(_ROUNDS)]
        busy = _kernel_seconds(run, device)
    return {
        "seconds": [round(value, 6) for value in (min(taken), median(taken))],
        "kernels": round(busy / len(faces) / median(taken), 3),
    }


def _kernel_seconds(run: Callable[[], object], device: torch.device) -> float:
    """Seconds that operations of one pass keep the device busy, by torch's profiler."""
    activity = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activity.CUDA if device.type == "cuda" else activity.CPU]) as profile:
        run()
    entries = profile.key_averages()
    if device.type == "cuda":
        return sum(entry.self_device_time_total for entry in entries) / 1e6
    return sum(entry.self_cpu_time_total for entry in entries) / 1e6


def portraits(portrait: Path, generator: LoadedModel, device: torch.device, count: int = 100) -> dict[str, float]:
    """Seconds to read, restore as one batch and write portraits of 1024 x 1024 pixels, the models loaded and warm."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        folder = Path(name)
        large = torch.nn.functional.interpolate(read_picture(portrait).pixels, (1024, 1024), mode="bicubic").clamp(0, 1)
        files = [folder / f"{index}.jpg" for index in range(count)]
        for index, file in enumerate(files):
            write_picture(Picture(large.roll(index % 16, 3)), file)
        detector = load_detector("face-detector-lite")
        networks = Networks(generator, detector, place=on_device(device))
        restore = partial(restore_batch, networks=networks)
        restore(large.repeat(2, 1, 1, 1))
        marks = [time.perf_counter()]
        images = torch.cat(list(pool.map(lambda file: read_picture(file).pixels, files)))
        marks.append(time.perf_counter())
        done = restore(images)
        marks.append(time.perf_counter())
        list(pool.map(write_picture, map(Picture, done.images.split(1)), files))
        marks.append(time.perf_counter())
    stages = {
        stage: round(end - start, 3)
        for stage, (start, end) in zip(("read", "restore", "write"), pairwise(marks), strict=True)
    }
    return {"count": count, "faces": len(done.faces), **stages, "total": round(marks[-1] - marks[0], 3)}

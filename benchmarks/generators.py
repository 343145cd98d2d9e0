"""The network alone: every backend beside the published arithmetic, in batches of 1, 4 and 16."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import networks
import torch
from published import PublishedGenerator
from roofline import peak
from timing import Timing, take_turns

from gpen_blocks.gpen.backends.engine import Engine, EngineError
from gpen_blocks.gpen.backends.onnxruntime_engine import OnnxRuntimeEngine
from gpen_blocks.gpen.backends.openvino_engine import OpenVINOEngine
from gpen_blocks.gpen.backends.torch_engines import CompiledEngine
from gpen_blocks.gpen.network import Generator

PUBLISHED = "published arithmetic"
_CPU = torch.device("cpu")
# The published arithmetic takes minutes for more.
_PUBLISHED_BATCH = {256: 16, 512: 4, 1024: 1}
# Beyond so many pixels a batch is measured only for these: a pass takes a minute and says what a smaller one says.
_MANY_PIXELS = 4 * 512**2
_MOST_PIXELS = 16 * 512**2
_FEW_WAYS = ("eager fp32", "eager bf16", "OpenVINO bf16")


def measure(sizes: tuple[int, ...], batches: tuple[int, ...], with_compile: bool) -> dict[str, Any]:
    """Seconds a face and ratios, by size and batch; and the roof."""
    roofs = {"fp32": peak(torch.float32), "bf16": peak(torch.bfloat16)}
    rows: list[dict[str, Any]] = []
    for size in sizes:
        generator = networks.official(size)
        operations = networks.flops(generator.config)
        engines = _engines(generator, with_compile and size == 512)
        for batch in batches:
            if batch * size**2 > _MOST_PIXELS:
                continue  # minutes a pass
            faces = networks.faces(size, batch)
            chosen = {
                name: engine
                for name, engine in engines.items()
                if not (name == PUBLISHED and batch > _PUBLISHED_BATCH[size])
                and not (name.startswith("compile") and batch > 1)
                and not (batch > 1 and batch * size**2 > _MANY_PIXELS and name not in _FEW_WAYS)
            }
            ways: dict[str, Callable[[], object]] = {
                name: (lambda engine=engine, faces=faces: engine(faces)) for name, engine in chosen.items()
            }
            with torch.inference_mode():
                timings = take_turns(ways, PUBLISHED if PUBLISHED in ways else None, rounds=5, enough=45)
            for name, timing in timings.items():
                rows.append(_row(size, batch, name, timing, operations, roofs))
                print(rows[-1], flush=True)
    return {"roofs": roofs, "rows": rows}


def _engines(generator: Generator, with_compile: bool) -> dict[str, Engine]:
    half = copy.deepcopy(generator).set_precision(torch.bfloat16)
    engines: dict[str, Engine] = {
        PUBLISHED: PublishedGenerator(generator),
        "eager fp32": generator,
        "eager bf16": half,
    }
    if with_compile:
        engines |= {"compile fp32": CompiledEngine(generator), "compile bf16": CompiledEngine(half)}
        with torch.inference_mode():
            for name in ("compile fp32", "compile bf16"):
                engines[name](networks.faces(generator.config.size, 1))
    builders: dict[str, Callable[[], Engine]] = {
        "ONNX Runtime fp32": lambda: OnnxRuntimeEngine(generator, torch.float32, _CPU),
        "OpenVINO fp32": lambda: OpenVINOEngine(generator, torch.float32, _CPU),
        "OpenVINO bf16": lambda: OpenVINOEngine(generator, torch.bfloat16, _CPU),
    }
    for name, build in builders.items():
        try:
            engines[name] = build()
        except EngineError as error:
            print(f"without {name}: {error}")
    return engines


def _row(size: int, batch: int, name: str, timing: Timing, operations: int, roofs: dict[str, float]) -> dict[str, Any]:
    floor = operations / roofs["bf16" if name.endswith("bf16") else "fp32"]
    ratios = timing.ratios if timing.reference else []
    return {
        "size": size,
        "batch": batch,
        "way": name,
        "seconds": [round(value / batch, 4) for value in (timing.best, timing.median, max(timing.seconds))],
        "ratio": [round(value, 3) for value in (min(ratios), sorted(ratios)[len(ratios) // 2], max(ratios))]
        if ratios
        else None,
        "over_roofline": round(timing.best / batch / floor, 3),
        "rounds": len(timing.seconds),
    }

"""Ways to run a network, each in a process of its own.

A process of its own is how they are used. In a common one, memory that one way leaves behind makes the next up to twice
as fast as its users see it, and memory that others hold makes it slower.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gpen_blocks.gpen.backends.engine import Engine, EngineError
from gpen_blocks.gpen.backends.onnxruntime_engine import OnnxRuntimeEngine
from gpen_blocks.gpen.backends.openvino_engine import OpenVINOEngine
from gpen_blocks.gpen.backends.torch_engines import CompiledEngine
from gpen_blocks.gpen.network import Generator

from . import networks
from .apart import apart
from .published import PublishedGenerator

PUBLISHED = "published arithmetic"
PUBLISHED_ONNX = "published arithmetic, ONNX Runtime"
# What the graph written by hand (`ONNX Runtime fp32`) is worth.
OWN_ONNX = "exported by torch, ONNX Runtime"

_CPU = torch.device("cpu")
# Seconds of a pass that is not worth a second one.
_LONG = 20.0


class _Exported:
    """A network exported by torch, in ONNX Runtime, one face at a time: as face-swapping programs run GPEN."""

    def __init__(self, network: nn.Module, size: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineError(str(error)) from error
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fixed shapes, which are wanted, and of the exporter's age
            file = f"{folder}/network.onnx"
            faces = networks.faces(size, 1)
            torch.onnx.export(network.eval(), (faces,), file, dynamo=False, opset_version=17, input_names=["x"])
            self._session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])

    def __call__(self, faces: Tensor) -> Tensor:
        return torch.cat([torch.from_numpy(self._session.run(None, {"x": face.numpy()})[0]) for face in faces.split(1)])


def _half(generator: Generator) -> Generator:
    return copy.deepcopy(generator).set_precision(torch.bfloat16)


def _compiled(generator: Generator) -> Engine:
    """Compiled already, which takes a minute once a machine."""
    engine = CompiledEngine(generator)
    with torch.inference_mode():
        engine(networks.faces(generator.config.size, 1))
    return engine


WAYS: dict[str, Callable[[Generator], Engine]] = {
    PUBLISHED: PublishedGenerator,
    PUBLISHED_ONNX: lambda generator: _Exported(PublishedGenerator(generator), generator.config.size),
    OWN_ONNX: lambda generator: _Exported(generator, generator.config.size),
    "eager fp32": lambda generator: generator,
    "eager bf16": _half,
    "compile fp32": _compiled,
    "compile bf16": lambda generator: _compiled(_half(generator)),
    "ONNX Runtime fp32": lambda generator: OnnxRuntimeEngine(generator, torch.float32, _CPU),
    "OpenVINO fp32": lambda generator: OpenVINOEngine(generator, torch.float32, _CPU),
    "OpenVINO bf16": lambda generator: OpenVINOEngine(generator, torch.bfloat16, _CPU),
}


def seconds_apart(size: int, way: str, batches: Sequence[int]) -> dict[int, float]:
    """Seconds that batches take an official shape in a process of its own; none if the way cannot be had here."""
    return {int(batch): seconds for batch, seconds in apart("speed.ways", size, way, *batches).items()}


def main() -> None:
    """Measure size, way and batches given as arguments."""
    size, way, *batches = sys.argv[1:]
    seconds = {}
    try:
        engine = WAYS[way](networks.official(int(size)))
        with torch.inference_mode():
            seconds = {batch: _seconds(engine, networks.faces(int(size), int(batch))) for batch in batches}
    except EngineError as error:
        print(f"without {way}: {error}", file=sys.stderr)
    print(json.dumps(seconds))


def _seconds(engine: Engine, faces: Tensor) -> float:
    """The better of two passes after one that warms; where a pass takes long, the first one counts."""
    taken = []
    while len(taken) < 3 and (not taken or taken[0] < _LONG):
        start = time.perf_counter()
        engine(faces)
        taken.append(time.perf_counter() - start)
    return min(taken[1:] or taken)


if __name__ == "__main__":
    main()

"""OpenVINO on the CPU.

A graph of fixed shape is a fifth faster than one with a variable batch size, and a batch is not faster than single
faces, so all graphs are for one face.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..devices import usable_cores
from ..network import Generator
from ..wording import pip_install
from . import graph
from .engine import Engine, EngineError
from .kept import keep, read_kept

if TYPE_CHECKING:
    import onnx

_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


class OpenVINOEngine:
    """Runs faces on the CPU one by one, and those of several threads beside each other if there are cores for them.

    In float32, the network is one graph. In bfloat16, OpenVINO would compute everything in bfloat16, so the network is
    split in two: the part between acts on vectors and is computed by torch in float32.

    Args:
        generator: in float32; also used for the part between the halves.
        dtype: number format of the maps.
        device: must be a CPU.
        kept: cache path of the compiled graphs.

    Raises:
        EngineError: the device is not a CPU, OpenVINO or onnx is not installed, or it cannot run the graph.
    """

    def __init__(
        self, generator: Generator, dtype: torch.dtype, device: torch.device, kept: Path | None = None
    ) -> None:
        if device.type != "cpu":
            raise EngineError(f"OpenVINO runs GPEN on CPUs, not on {device.type}.")
        if dtype not in _PRECISIONS:
            raise EngineError(f"OpenVINO runs GPEN in fp32 and bf16, not in {dtype}.")
        try:
            import openvino
        except ImportError as error:
            command = pip_install("openvino", "onnx")
            raise EngineError(f"OpenVINO is not installed ({error}); install it with {command}.") from error
        # Two threads that use its types for the first time at once can wait for each other for ever.
        openvino.Type.f32.to_dtype()
        self._core = openvino.Core()
        threads = torch.get_num_threads()
        streams = max(usable_cores() // threads, 1)
        self._settings = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
            "INFERENCE_NUM_THREADS": streams * threads,
            **({"NUM_STREAMS": streams} if streams > 1 else {"PERFORMANCE_HINT": "LATENCY"}),
        }
        # A request can be used by one thread at a time.
        self._idle: SimpleQueue[Engine] = SimpleQueue()
        if dtype == torch.float32:
            whole = self._compile(lambda: graph.whole_graph(generator, fixed=True), kept)
            for _ in range(streams):
                self._idle.put(partial(_restore_whole, whole.create_infer_request()))
            return
        features = [f"feature{level}" for level in range(len(generator.config.channels))]
        handed_on = features[:-1]
        encoder, painter = (kept and kept.with_suffix(suffix) for suffix in (".encoder", ".painter"))
        encodes = self._compile(lambda: graph.encoder_graph(generator), encoder, handed_on)
        paints = self._compile(lambda: graph.painter_graph(generator), painter, handed_on)
        for _ in range(streams):
            encoding, painting = encodes.create_infer_request(), paints.create_infer_request()
            for name in features:
                painting.set_tensor(name, encoding.get_tensor(name))
            self._idle.put(partial(_restore_in_halves, encoding, painting, features[-1], generator))

    def __call__(self, faces: Tensor) -> Tensor:
        restored = torch.empty_like(faces, memory_format=torch.contiguous_format)
        request = self._idle.get()
        try:
            for face, place in zip(faces.split(1), restored.split(1), strict=True):
                place.copy_(request(face))
        finally:
            self._idle.put(request)
        return restored

    def _compile(self, write: Callable[[], onnx.ModelProto], kept: Path | None, handed_on: Sequence[str] = ()) -> Any:
        """A graph, compiled now or in the cache; maps passed between the halves keep their internal dtype."""
        from openvino import Type, preprocess

        found = read_kept(kept, lambda path: self._core.import_model(path.read_bytes(), "CPU", self._settings))
        if found is not None:
            return found
        model = write()
        try:
            read = self._core.read_model(model.SerializeToString())
            edges = preprocess.PrePostProcessor(read)
            inputs = {port.get_any_name() for port in read.inputs}
            for name in handed_on:
                edge = edges.input(name) if name in inputs else edges.output(name)
                edge.tensor().set_element_type(Type.bf16)
            compiled = self._core.compile_model(edges.build(), "CPU", self._settings)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot run the graph: {str(error).strip().splitlines()[-1]}") from error
        keep(kept, lambda path: path.write_bytes(compiled.export_model().getvalue()))
        return compiled


def _restore_whole(request: Any, faces: Tensor) -> Tensor:
    request.infer({graph.INPUT: faces.contiguous().numpy()}, share_inputs=True)
    return torch.from_numpy(request.get_tensor(graph.OUTPUT).data)


def _restore_in_halves(encoder: Any, painter: Any, coarsest: str, generator: Generator, faces: Tensor) -> Tensor:
    encoder.infer({graph.INPUT: faces.contiguous().numpy()}, share_inputs=True)
    vector = torch.from_numpy(encoder.get_tensor(coarsest).data).movedim(-1, 1)
    painter.infer(graph.flat_modulations(generator, vector))
    return torch.from_numpy(painter.get_tensor(graph.OUTPUT).data)

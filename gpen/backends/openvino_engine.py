"""OpenVINO on the CPU.

A graph of fixed shape is a fifth faster than one with a variable batch size, and a batch is not faster than single
faces, so all graphs are for one face.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..network import Generator
from ..wording import pip_install
from . import graph
from .engine import EngineError
from .kept import keep, read_kept

if TYPE_CHECKING:
    import onnx

_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


class OpenVINOEngine:
    """Runs faces on the CPU one by one.

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
        self._core = openvino.Core()
        self._settings = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._generator = generator
        self._lock = threading.Lock()  # a request can be used by one thread at a time
        if dtype == torch.float32:
            self._whole = self._request(lambda: graph.whole_graph(generator, fixed=True), kept)
            return
        self._whole = None
        self._features = [f"feature{level}" for level in range(len(generator.config.channels))]
        handed_on = self._features[:-1]
        encoder, painter = (kept and kept.with_suffix(suffix) for suffix in (".encoder", ".painter"))
        self._encoder = self._request(lambda: graph.encoder_graph(generator), encoder, handed_on)
        self._painter = self._request(lambda: graph.painter_graph(generator), painter, handed_on)
        for name in self._features:
            self._painter.set_tensor(name, self._encoder.get_tensor(name))

    def __call__(self, faces: Tensor) -> Tensor:
        restored = torch.empty_like(faces, memory_format=torch.contiguous_format)
        with self._lock:
            for face, place in zip(faces.split(1), restored.split(1), strict=True):
                place.copy_(self._restore(face))
        return restored

    def _restore(self, face: Tensor) -> Tensor:
        pixels = {graph.INPUT: face.contiguous().numpy()}
        if self._whole is not None:
            self._whole.infer(pixels, share_inputs=True)
            return torch.from_numpy(self._whole.get_tensor(graph.OUTPUT).data)
        self._encoder.infer(pixels, share_inputs=True)
        coarsest = torch.from_numpy(self._encoder.get_tensor(self._features[-1]).data).movedim(-1, 1)
        self._painter.infer(graph.flat_modulations(self._generator, coarsest))
        return torch.from_numpy(self._painter.get_tensor(graph.OUTPUT).data)

    def _request(self, write: Callable[[], onnx.ModelProto], kept: Path | None, handed_on: Sequence[str] = ()) -> Any:
        """A compiled graph, cached or new; maps passed between the halves keep their internal dtype."""
        from openvino import Type, preprocess

        found = read_kept(kept, lambda path: self._core.import_model(path.read_bytes(), "CPU", self._settings))
        if found is not None:
            return found.create_infer_request()
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
        return compiled.create_infer_request()

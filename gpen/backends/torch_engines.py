"""torch.compile and CUDA graphs: engines that share the weights and the device of their generator."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor

from ..network import Generator
from .engine import EngineError


class CompiledEngine:
    """torch.compile, which takes a minute at the first face. On a CPU it runs one face at a time, since a batch is not
    faster and each batch size would be compiled again.
    """

    def __init__(self, generator: Generator) -> None:
        # Compile the function, not the module: a compiled module would rename the weights.
        self._run = torch.compile(generator.forward)

    def __call__(self, faces: Tensor) -> Tensor:
        pieces = faces.split(1) if faces.device.type == "cpu" else (faces,)
        return torch.cat([self._run(piece) for piece in pieces])


class CudaGraphEngine:
    """Replays the launches of a batch as one CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html).

    The network has hundreds of kernels, and for few faces their launches take longer than their work. A batch size is
    recorded when it occurs for the second time, so that the last, smaller batch of a job is not recorded. A graph
    contains the addresses of the weights, and is recorded again after a memory manager has moved them.

    Args:
        generator: in the number format to run in.

    Raises:
        EngineError: there is no CUDA device.
    """

    _KEPT = 4

    def __init__(self, generator: Generator) -> None:
        if not torch.cuda.is_available():
            raise EngineError("CUDA graphs need a CUDA device, but this torch finds none.")
        self._generator = generator
        self._graphs: OrderedDict[tuple, _Recorded | None] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, faces: Tensor) -> Tensor:
        key = (*faces.shape, faces.device, *(parameter.data_ptr() for parameter in self._generator.parameters()))
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = None
                while len(self._graphs) > self._KEPT:
                    self._graphs.popitem(last=False)
                return self._generator(faces)
            recorded = self._graphs[key] or self._record(faces)
            self._graphs[key] = recorded
            self._graphs.move_to_end(key)
            recorded.faces.copy_(faces)
            recorded.graph.replay()
            return recorded.restored.clone()

    def _record(self, faces: Tensor) -> _Recorded:
        still = faces.clone()
        stream = torch.cuda.Stream(faces.device)
        stream.wait_stream(torch.cuda.current_stream(faces.device))
        with torch.cuda.stream(stream):  # libraries choose their kernels before the recording
            for _ in range(2):
                self._generator(still)
        torch.cuda.current_stream(faces.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            restored = self._generator(still)
        return _Recorded(graph, still, restored)


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A CUDA graph and the memory it reads and writes."""

    graph: torch.cuda.CUDAGraph
    faces: Tensor
    restored: Tensor

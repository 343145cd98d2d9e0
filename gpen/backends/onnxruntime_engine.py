"""ONNX Runtime on the CPU and on CUDA, and TensorRT through it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..network import Generator
from ..wording import pip_install
from . import graph
from .engine import EngineError
from .kept import keep, read_kept


class OnnxRuntimeEngine:
    """Runs batches of faces.

    Args:
        generator: in float32.
        dtype: number format of the maps; only TensorRT supports others than float32.
        device: device to run on.
        kept: cache path of the optimised graph; only for the CPU.
        tensorrt: use TensorRT, which takes minutes to build its engine.

    Raises:
        EngineError: ONNX Runtime or onnx is not installed, this build does not support the device or the number format,
            or it refuses the graph.
    """

    def __init__(
        self,
        generator: Generator,
        dtype: torch.dtype,
        device: torch.device,
        kept: Path | None = None,
        tensorrt: bool = False,
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            command = pip_install("onnxruntime", "onnx")
            raise EngineError(f"ONNX Runtime is not installed ({error}); install it with {command}.") from error
        provider, options = provider_of(dtype, device, tensorrt)
        if provider not in onnxruntime.get_available_providers():
            have = ", ".join(onnxruntime.get_available_providers())
            raise EngineError(f"This build of ONNX Runtime has no {provider}, only {have}.")
        kept = kept if provider == "CPUExecutionProvider" else None

        start = partial(start_session, provider=provider, options=options)
        as_it_is = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session: Any = read_kept(kept, lambda path: start(str(path), graph_optimization_level=as_it_is))
        if session is None:
            model = graph.whole_graph(generator).SerializeToString()
            try:
                session = start(model)
            # Its exceptions have no common base class.
            except Exception as error:
                raise EngineError(f"ONNX Runtime cannot run the graph: {error}") from error
            keep(kept, lambda path: start(model, optimized_model_filepath=str(path)))
        self._session = session
        # It continues silently without a provider that fails to start.
        if provider not in self._session.get_providers():
            raise EngineError(f"ONNX Runtime's {provider} does not start on this machine.")

    def __call__(self, faces: Tensor) -> Tensor:
        (restored,) = self._session.run([graph.OUTPUT], {graph.INPUT: faces.cpu().contiguous().numpy()})
        return torch.from_numpy(restored).to(faces.device)


def start_session(model: bytes | str, provider: str, options: dict[str, Any], **changes: Any) -> Any:
    """An `onnxruntime.InferenceSession`; raises whatever ONNX Runtime raises.

    Args:
        model: the content of an ONNX file, or its path.
        provider, options: result of `provider_of`.
        changes: attributes of `onnxruntime.SessionOptions`.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    # Otherwise its threads spin between runs on the cores that torch needs.
    settings.add_session_config_entry("session.force_spinning_stop", "1")
    settings.log_severity_level = 3  # no warning that a cached graph is for this machine only
    for name, value in changes.items():
        setattr(settings, name, value)
    return onnxruntime.InferenceSession(model, settings, providers=[(provider, options)])


def provider_of(dtype: torch.dtype, device: torch.device, tensorrt: bool) -> tuple[str, dict[str, Any]]:
    """Execution provider and its options; raises EngineError."""
    if tensorrt and device.type == "cuda":
        half = {torch.float16: "trt_fp16_enable", torch.bfloat16: "trt_bf16_enable"}
        options: dict[str, Any] = {"device_id": device.index or 0}
        return "TensorrtExecutionProvider", options | ({half[dtype]: True} if dtype in half else {})
    if tensorrt:
        raise EngineError(f"TensorRT runs on CUDA devices, not on {device.type}.")
    if dtype != torch.float32:
        raise EngineError("ONNX Runtime runs GPEN in fp32 only.")
    if device.type == "cuda":
        return "CUDAExecutionProvider", {"device_id": device.index or 0}
    if device.type == "cpu":
        return "CPUExecutionProvider", {}
    raise EngineError(f"ONNX Runtime runs GPEN on CPUs and CUDA devices, not on {device.type}.")

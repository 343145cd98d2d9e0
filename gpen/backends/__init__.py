"""Backends that run a generator faster than plain PyTorch; each is compared with it before use."""

from .accelerate import (
    Backend,
    Chosen,
    Network,
    Precision,
    accelerate,
    backend_of,
    expect,
    faults_of,
    precision_of,
    settled,
)
from .accelerated import Accelerated
from .onnx_network import OnnxNetwork, import_onnx_runtime

__all__ = [
    "Accelerated",
    "Backend",
    "Chosen",
    "Network",
    "OnnxNetwork",
    "Precision",
    "accelerate",
    "backend_of",
    "expect",
    "faults_of",
    "import_onnx_runtime",
    "precision_of",
    "settled",
]

"""Backends that run a generator faster than plain PyTorch; each is compared with it before use."""

from .accelerate import Backend, Chosen, Network, Precision, accelerate, backend_of, expect, faults_of, precision_of
from .accelerated import Accelerated

__all__ = [
    "Accelerated",
    "Backend",
    "Chosen",
    "Network",
    "Precision",
    "accelerate",
    "backend_of",
    "expect",
    "faults_of",
    "precision_of",
]

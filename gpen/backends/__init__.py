"""Ways to run a generator faster than its graph as it is written; each is checked against that before it is used."""

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

"""The GPEN network in plain PyTorch."""

from .config import GeneratorConfig
from .generator import Generator, build_generator

__all__ = ["Generator", "GeneratorConfig", "build_generator"]

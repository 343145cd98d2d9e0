"""Loaded models, and the cache that shares them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch

from .backends import Precision, backend_of, faults_of, precision_of
from .locks import KeyedLocks
from .tasks import RESTORATION

# Template of a generator that is not in the registry and has no metadata.
DEFAULT_TEMPLATE = "gpen"

AnyNetwork = TypeVar("AnyNetwork", bound=torch.nn.Module)


@dataclass(frozen=True, eq=False)
class LoadedModel(Generic[AnyNetwork]):
    """A model ready to run.

    Attributes:
        name: registry name, or the file name of a model that is not in the registry.
        path: its file.
        sha256: of that file, lower-case hexadecimal.
        module: the network in eval mode, without gradients.
        template: landmark template for the alignment of its crops (generators).
        task: the task it was trained for, as named in the registry (generators).
        preview: True for a bundled model: it works offline, but an official model gives better results.
        precision: number format in which it was loaded.
        notes: one sentence for each deviation from what was requested.
    """

    name: str
    path: Path
    sha256: str
    module: AnyNetwork
    template: str = DEFAULT_TEMPLATE
    task: str = RESTORATION.name
    preview: bool = False
    precision: Precision = "fp32"
    notes: tuple[str, ...] = ()

    @property
    def backend(self) -> str:
        """The backend that ran the last faces in this thread, or will run the first ones (generators)."""
        return backend_of(self.module)

    @property
    def running(self) -> str:
        """Backend and number format of the last faces, such as `openvino, bf16` (generators)."""
        return f"{self.backend}, {precision_of(self.module)}"

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence for each time that its backend or number format failed while running (generators)."""
        return faults_of(self.module)


class ModelCache:
    """Thread-safe cache of the most recently used models.

    Args:
        capacity: number of models to keep; the least recently used one is dropped first.
    """

    def __init__(self, capacity: int = 6) -> None:
        self._capacity = capacity
        self._models: OrderedDict[tuple, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()
        # Held while building, so that two blocks that ask at once share one model; other models are not blocked.
        self._building = KeyedLocks()

    def get(self, key: tuple, build: Callable[[], LoadedModel]) -> LoadedModel:
        """The model for `key`; calls `build`, and passes on its exceptions, if it is not in the cache."""
        with self._building.of(key):
            model = self._find(key)
            return self._keep(key, build()) if model is None else model

    def clear(self) -> None:
        """Remove all models; memory is freed when no other reference is left."""
        with self._lock:
            self._models.clear()

    def _find(self, key: tuple) -> LoadedModel | None:
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
            return self._models.get(key)

    def _keep(self, key: tuple, model: LoadedModel) -> LoadedModel:
        with self._lock:
            self._models[key] = model
            while len(self._models) > self._capacity:
                self._models.popitem(last=False)
        return model

    def __len__(self) -> int:
        return len(self._models)

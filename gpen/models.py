"""The one loader: a model is built once from its verified file, and every block is handed the same object."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import torch

from ..weights import checkpoint, registry, store
from .backends import Backend, Network, Precision, accelerate, backend_of, faults_of, precision_of
from .choices import LandmarkNetwork
from .devices import select_device
from .errors import ModelNotFoundError
from .faces.detection.classify import load_classifier
from .faces.detection.detect import SCORE_THRESHOLD, FaceDetector, build_detector
from .faces.landmarks.find import Landmarker, build_landmarker
from .faces.masks.parsing import build_parser
from .locks import KeyedLocks
from .network import build_generator
from .tasks import RESTORATION, require_task
from .values import require_choice

# The best model that is already on disk; the bundled ones close their rows, so something is always found.
AUTO_GENERATORS = ("gpen-bfr-512", "gpen-bfr-1024", "gpen-bfr-256", "gpen-lite-256")
AUTO_DETECTORS = ("retinaface-resnet50", "retinaface-mobile0.25", "face-detector-lite")
CLASSIFIER = "face-classifier-lite"
AUTO_PARSERS = ("bisenet", "parsenet")
AUTO_LANDMARKERS = ("wflw-4hg", "face-landmarks-lite")

# A file that is in no registry and says nothing about itself is taken for one of GPEN's own kind.
DEFAULT_TEMPLATE = "gpen"

AnyNetwork = TypeVar("AnyNetwork", bound=torch.nn.Module)


@dataclass(frozen=True, eq=False)
class LoadedModel(Generic[AnyNetwork]):
    """A model ready to run.

    Attributes:
        name: registry name, or the file's name for a model that is in no registry.
        path: the file it was read from.
        sha256: of that file, lower-case hexadecimal.
        module: in eval mode, without gradients.
        template: landmark template its crops are aligned with (generators).
        task: what it was taught, by its name in the registry (generators).
        preview: a bundled first-choice substitute whose quality an official model exceeds.
        precision: number format it was loaded in.
        notes: a sentence for everything about it that is not as it was asked for.
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
        """What ran its last faces in this thread, and before the first one what is going to (generators)."""
        return backend_of(self.module)

    @property
    def running(self) -> str:
        """Backend and number format of its last faces, such as `openvino, bf16` (generators)."""
        return f"{self.backend}, {precision_of(self.module)}"

    @property
    def faults(self) -> tuple[str, ...]:
        """A sentence for each time that its backend or its number format gave way while it ran (generators)."""
        return faults_of(self.module)


class ModelCache:
    """Keeps the most recently used models; safe to share between threads.

    Args:
        capacity: how many models stay built. The least recently used one is dropped first.
    """

    def __init__(self, capacity: int = 6) -> None:
        self._capacity = capacity
        self._models: OrderedDict[tuple, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()
        # Held while building: two blocks that ask at once get one model, and who asks for another one does not wait.
        self._building = KeyedLocks()

    def get(self, key: tuple, build: Callable[[], LoadedModel]) -> LoadedModel:
        """The model under `key`, built by `build` where it is not there yet; what `build` raises is passed on."""
        with self._building.of(key):
            model = self._find(key)
            return self._keep(key, build()) if model is None else model

    def clear(self) -> None:
        """Forget every model; memory is freed as soon as nobody else holds one."""
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


cache = ModelCache()


def _resolve(name: str, candidates: tuple[str, ...], kind: str) -> store.ResolvedModel:
    names = candidates if name == "auto" else (name,)
    for candidate in names[:-1]:
        if store.find(candidate) is not None:
            return store.resolve(candidate)
    resolved = store.resolve(names[-1])
    if resolved.record is not None and resolved.record.kind != kind:
        raise ModelNotFoundError(
            f"{name} is a {resolved.record.kind} model, and a {kind} model is needed; `gpen models list` shows all."
        )
    return resolved


def _task_of(resolved: store.ResolvedModel) -> str:
    """What a model was taught: the registry tells; a file of one's own that bears a published name is of that kind."""
    record = resolved.record or registry.find(resolved.path.name)
    return (record and record.task) or RESTORATION.name


def _load(
    resolved: store.ResolvedModel,
    build: Callable[[dict[str, torch.Tensor]], AnyNetwork],
    run: Callable[[AnyNetwork], tuple[AnyNetwork, dict[str, Any]]] = lambda module: (module, {}),
    *ways: str,
) -> LoadedModel[AnyNetwork]:
    """A model from its file or the cache.

    Args:
        resolved: the file.
        build: makes the network of its tensors.
        run: makes of it what is to run, and what `LoadedModel` has to say of that.
        ways: what `run` depends on.
    """

    def build_model() -> LoadedModel:
        content = checkpoint.read(resolved.path)
        module, told = run(build(content.tensors))
        record = resolved.record
        return LoadedModel(
            name=record.name if record else resolved.path.stem,
            path=resolved.path,
            sha256=resolved.sha256,
            module=module,
            template=(record.template if record else content.metadata.get("template")) or DEFAULT_TEMPLATE,
            task=_task_of(resolved),
            preview=bool(record and record.bundled),
            **told,
        )

    return cache.get((str(resolved.path), resolved.sha256, *ways), build_model)


def load_generator(
    name: str = "auto",
    *,
    device: torch.device | str = "auto",
    backend: Backend = "auto",
    precision: Precision = "fp32",
    task: str | None = RESTORATION.name,
) -> LoadedModel[Network]:
    """A GPEN generator, ready to run.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine.
        device: where it is going to run: a device, its name, or `auto`, the best one there is.
        backend: what runs it: `eager` (the graph as it is written), `compile` (torch.compile), `openvino`,
            `onnxruntime`, `cudagraph`, `tensorrt`, or `auto`: the fastest of those that are ready within seconds, and
            on a processor `eager` until there are faces enough to pay for the start of one. Each is compared with
            `eager` before it is used, and gives way to it with a note.
        precision: number format of the maps; where it changes the picture, fp32 is taken and a note says so.
        task: what it is to do; None takes a generator of any task, for those who do not run it.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        NotGPENError: the file is another kind of network.
        SettingsError: it was taught another task; an unknown precision or backend.
    """
    require_choice("precision", precision, get_args(Precision))
    require_choice("backend", backend, get_args(Backend))
    place = device if isinstance(device, torch.device) else select_device(device)
    resolved = _resolve(name, AUTO_GENERATORS, "generator")
    if task:
        require_task(resolved.record.name if resolved.record else str(resolved.path), _task_of(resolved), task)

    def run(generator: Any) -> tuple[Network, dict[str, Any]]:
        chosen = accelerate(generator, resolved.sha256, backend, precision, place)
        return chosen.network, {"precision": chosen.precision, "notes": chosen.notes}

    return _load(resolved, build_generator, run, precision, backend, str(place))


def load_detector(name: str = "auto") -> LoadedModel[FaceDetector]:
    """A RetinaFace detector, ready to run; the bundled classifier looks at what it finds.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        CheckpointError: the file is another kind of network.
    """
    resolved = _resolve(name, AUTO_DETECTORS, "detector")
    threshold = resolved.record and resolved.record.score_threshold

    def build(tensors: dict[str, torch.Tensor]) -> FaceDetector:
        looked_at = checkpoint.read(store.resolve(CLASSIFIER).path).tensors
        return build_detector(tensors, load_classifier(looked_at), threshold or SCORE_THRESHOLD).freeze()

    return _load(resolved, build)


def load_parser(name: str = "auto") -> LoadedModel:
    """A face parsing network, ready to run; none is bundled.

    Args:
        name: a registry name, a path, or `auto`: one that is on this machine.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        CheckpointError: the file is another kind of network.
    """
    return _load(_resolve(name, AUTO_PARSERS, "parser"), build_parser)


def load_landmarker(name: str = "auto") -> LoadedModel[Landmarker]:
    """A network that finds 68 landmarks, ready to run.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        CheckpointError: the file is another kind of network.
    """
    return _load(_resolve(name, AUTO_LANDMARKERS, "landmarks"), build_landmarker)


def choose_landmarker(network: LandmarkNetwork = "bundled") -> tuple[LoadedModel[Landmarker], tuple[str, ...]]:
    """The landmark network to use, and notes for the user.

    Args:
        network: `bundled`, or `wflw`: the 98-point network. Where its file is not on this machine, the bundled one is
            taken, and a note says so.

    Raises:
        SettingsError: there is no such choice.
    """
    require_choice("landmark_network", network, get_args(LandmarkNetwork))
    best, bundled = AUTO_LANDMARKERS
    if network == "bundled":
        return load_landmarker(bundled), ()
    try:
        return load_landmarker(best), ()
    except ModelNotFoundError as error:
        return load_landmarker(bundled), (f"The bundled network found the landmarks, not the 98-point one: {error}",)

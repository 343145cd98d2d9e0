"""Load models: each is built once from its verified file and shared by all blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch

from ..weights import checkpoint, contents, registry, store
from ..weights.contents import Form
from .backends import Backend, Network, OnnxNetwork, Precision, accelerate
from .choices import LandmarkNetwork
from .devices import select_device
from .errors import ModelNotFoundError
from .faces.detection.classify import load_classifier
from .faces.detection.detector import SCORE_THRESHOLD, FaceDetector, build_detector
from .faces.landmarks.find import Landmarker, build_landmarker
from .faces.masks.parsing import FaceParser, build_parser
from .loaded import DEFAULT_TEMPLATE, AnyNetwork, LoadedModel, ModelCache
from .model_files import (
    AUTO_DETECTORS,
    AUTO_LANDMARKERS,
    AUTO_OF_TASK,
    AUTO_PARSERS,
    CLASSIFIER,
    resolve_model,
)
from .network import build_generator
from .tasks import RESTORATION, require_task
from .values import require_choice

cache = ModelCache()


def _task_of(resolved: store.ResolvedModel) -> str:
    """Task of a model: from the registry, else from its file, else that of the model after which it is named."""
    if resolved.record is None and contents.identify(resolved.path) is Form.SAFETENSORS:
        written = checkpoint.read_metadata(resolved.path).get("task")
        if written:
            return written
    record = resolved.record or registry.namesake(resolved.path.name)
    return (record and record.task) or RESTORATION.name


def _load(
    resolved: store.ResolvedModel,
    build: Callable[[dict[str, torch.Tensor]], AnyNetwork],
    run: Callable[[AnyNetwork], tuple[AnyNetwork, dict[str, Any]]] = lambda module: (module, {}),
    *ways: str,
) -> LoadedModel[AnyNetwork]:
    """Load a model from its file or the cache.

    Args:
        resolved: the file.
        build: builds the network from its tensors.
        run: turns it into the network to run; also returns fields of `LoadedModel` about it.
        ways: parameters of `run`, as a part of the cache key.
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
    """Load a GPEN generator.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine. A path may be that of an ONNX file, see
            `backends.OnnxNetwork`.
        device: where it will run: a device, its name, or `auto`, the best available one.
        backend: `eager` (plain PyTorch), `compile` (torch.compile), `openvino`, `onnxruntime`, `cudagraph`, `tensorrt`,
            or `auto`: the fastest one that starts within seconds; on a CPU, `eager` until there are enough faces to
            make up for the start of another one. The output of each is compared with that of `eager` before it is used.
            If it differs, `eager` is used instead, and a note says so.
        precision: number format of the maps. If it changes the picture, fp32 is used instead, and a note says so.
        task: the task to do; None accepts a generator of any task, for callers that do not run it.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        NotGPENError: the file is another kind of network.
        MissingPackageError: it is an ONNX file, and ONNX Runtime is not installed.
        SettingsError: it was trained for another task, or the precision or backend is unknown.

    Example:
        >>> from gpen_blocks.gpen.models import load_generator
        >>> model = load_generator("gpen-lite-256")
        >>> model.name, model.module.config.size, model.template
        ('gpen-lite-256', 256, 'ffhq')
        >>> load_generator("gpen-lite-256") is model  # built once
        True
    """
    require_choice("precision", precision, get_args(Precision))
    require_choice("backend", backend, get_args(Backend))
    place = device if isinstance(device, torch.device) else select_device(device)
    resolved = resolve_model(name, AUTO_OF_TASK[task or RESTORATION.name], "generator")
    if task:
        require_task(resolved.record.name if resolved.record else str(resolved.path), _task_of(resolved), task)

    if _is_onnx(resolved.path):
        return _load_onnx(resolved, task, place, (backend, precision))

    def run(generator: Any) -> tuple[Network, dict[str, Any]]:
        chosen = accelerate(generator, resolved.sha256, backend, precision, place)
        return chosen.network, {"precision": chosen.precision, "notes": chosen.notes}

    return _load(resolved, build_generator, run, precision, backend, str(place))


def _is_onnx(path: Path) -> bool:
    form = contents.identify(path)
    return form is Form.ONNX or (form is Form.UNKNOWN and path.suffix.lower() == ".onnx")


def _load_onnx(
    resolved: store.ResolvedModel, task: str | None, device: torch.device, ways: tuple[Backend, Precision]
) -> LoadedModel[Network]:
    """Load a generator from an ONNX file, which decides backend and precision itself.

    Its template is that in the file, else that of the model after which it is named.
    """
    backend, precision = ways
    record = registry.namesake(resolved.path.name)

    def build() -> LoadedModel:
        network = OnnxNetwork(resolved.path, device).eval()
        notes = list(network.notes)
        if backend not in ("auto", network.backend):
            notes.append(f"{resolved.path.name} is an ONNX file, so ONNX Runtime runs it instead of {backend}.")
        if precision != "fp32":
            notes.append(f"{resolved.path.name} is an ONNX file, so it runs in its own number format, not {precision}.")
        return LoadedModel(
            name=resolved.path.stem,
            path=resolved.path,
            sha256=resolved.sha256,
            module=network,
            template=network.metadata.get("template") or (record and record.template) or DEFAULT_TEMPLATE,
            task=network.metadata.get("task") or _task_of(resolved),
            notes=tuple(notes),
        )

    loaded = cache.get((str(resolved.path), resolved.sha256, "onnx", *ways, str(device)), build)
    if task:
        require_task(str(resolved.path), loaded.task, task)
    return loaded


def load_detector(name: str = "auto") -> LoadedModel[FaceDetector]:
    """Load a RetinaFace detector; the bundled classifier checks its detections.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        CheckpointError: the file is another kind of network.

    Example:
        >>> from gpen_blocks.gpen.models import load_detector
        >>> load_detector("face-detector-lite").module.score_threshold
        0.8
    """
    resolved = resolve_model(name, AUTO_DETECTORS, "detector")
    threshold = resolved.record and resolved.record.score_threshold

    def build(tensors: dict[str, torch.Tensor]) -> FaceDetector:
        looked_at = checkpoint.read(store.resolve(CLASSIFIER).path).tensors
        return build_detector(tensors, load_classifier(looked_at), threshold or SCORE_THRESHOLD).freeze()

    return _load(resolved, build)


def has_parser() -> bool:
    """Whether a face parsing network of the registry is on this machine."""
    return any(store.find(name) is not None for name in AUTO_PARSERS)


def load_parser(name: str = "auto") -> LoadedModel[FaceParser]:
    """Load a face parsing network; none is bundled.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        CheckpointError: the file is another kind of network.
    """
    if name == "auto" and not has_parser():
        raise ModelNotFoundError(
            f"The mask mode parsing needs a face parser, and none is on this machine; get one with `gpen models "
            f"download {AUTO_PARSERS[0]}`, or choose the mask mode landmarks or ellipse."
        )
    return _load(resolve_model(name, AUTO_PARSERS, "parser"), build_parser)


def load_landmarker(name: str = "auto") -> LoadedModel[Landmarker]:
    """Load a network that finds 68 landmarks.

    Args:
        name: a registry name, a path, or `auto`: the best one on this machine.

    Raises:
        ModelNotFoundError: the file is not on this machine (nothing is downloaded here).
        CheckpointError: the file is another kind of network.
    """
    return _load(resolve_model(name, AUTO_LANDMARKERS, "landmarks"), build_landmarker)


def choose_landmarker(network: LandmarkNetwork = "bundled") -> tuple[LoadedModel[Landmarker], tuple[str, ...]]:
    """The landmark network to use, and notes for the user.

    Args:
        network: `bundled`, or `wflw`: the 98-point network. If its file is not on this machine, the bundled network is
            used, and a note says so.

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
        return load_landmarker(bundled), (f"The bundled network, not the 98-point one, found the landmarks: {error}",)

"""Placement of models inside ComfyUI.

ComfyUI is imported inside the functions that use it, so that the rest can be tested without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from ..gpen.backends import Network
from ..gpen.devices import Placement
from ..gpen.errors import SettingsError
from ..gpen.faces.detection import FaceDetector
from ..gpen.faces.landmarks.find import Landmarker
from ..gpen.faces.masks.parsing import FaceParser
from ..gpen.models import (
    AUTO_DETECTORS,
    AUTO_PARSERS,
    LoadedModel,
    choose_landmarker,
    has_parser,
    load_detector,
    load_generator,
    load_parser,
)
from ..gpen.restore import automatic_batch_size
from ..gpen.settings import Settings
from ..gpen.stages import Networks
from ..gpen.tasks import Task, require_task

# Memory of the detector for one pass, without weights: the widest activations of RetinaFace on ResNet-50 for two
# million pixels, rounded up. The landmark network takes about half of it.
DETECTOR_WORKSPACE = 1 << 30
# Number of faces for which memory is requested from ComfyUI. More would unload other models for little gain, since one
# face already keeps a GPU busy.
_WISHED_FACES = 4


@dataclass(frozen=True, eq=False)
class ModelHandle:
    """A model as passed between nodes.

    Attributes:
        loaded: the engine's model; the same object for every block that loads the same file.
        patcher: ComfyUI's ModelPatcher of its module. ComfyUI's output cache looks for this attribute name when memory
            runs short.
        workspace: bytes that the model needs while running, without its weights.
    """

    loaded: LoadedModel
    patcher: Any
    workspace: int


class Patchers:
    """One ModelPatcher per model, for the lifetime of the model.

    ComfyUI holds weak references to patchers and treats a module without its patcher as a leak, so a patcher must live
    as long as its module. A second patcher of the same module would replace the first.

    Args:
        make: creates the patcher of a module.
    """

    def __init__(self, make: Callable[[torch.nn.Module], Any]) -> None:
        self._make = make
        # A patcher refers to the module, which does not refer to the LoadedModel, so the entry is freed with its key.
        self._patchers: WeakKeyDictionary[LoadedModel, Any] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, model: LoadedModel) -> Any:
        """The patcher of a model; always the same object."""
        with self._lock:
            if model not in self._patchers:
                self._patchers[model] = self._make(model.module)
            return self._patchers[model]

    def __len__(self) -> int:
        return len(self._patchers)


def _make_patcher(module: torch.nn.Module) -> Any:
    import comfy.model_management as management
    import comfy.model_patcher as patching

    # Newer versions have another class for their memory management, which they choose after the start.
    kind = getattr(patching, "CoreModelPatcher", patching.ModelPatcher)
    return kind(module, load_device=management.get_torch_device(), offload_device=management.unet_offload_device())


patchers = Patchers(_make_patcher)


def outside_inference_mode() -> AbstractContextManager:
    """Context for building models: nodes run in inference mode, whose tensors cannot be used outside it."""
    return torch.inference_mode(False)


def device() -> torch.device:
    """The device on which ComfyUI runs models."""
    import comfy.model_management as management

    return management.get_torch_device()


def generator_handle(model: LoadedModel[Network]) -> ModelHandle:
    """The handle of a generator."""
    return ModelHandle(model, patchers.of(model), _WISHED_FACES * model.module.activation_bytes())


def detector_handle(model: LoadedModel) -> ModelHandle:
    """The handle of a network that finds faces, landmarks or the parts of faces."""
    return ModelHandle(model, patchers.of(model), DETECTOR_WORKSPACE)


def of_models(*handles: ModelHandle, load: Callable[..., None] | None = None) -> Placement:
    """A placement through ComfyUI's memory manager for the models of these handles.

    Args:
        handles: handles of all models that the placement will be used for.
        load: by default `comfy.model_management.load_models_gpu`.
    """
    by_module = {id(handle.loaded.module): handle for handle in handles}
    one_at_a_time = threading.Lock()  # a video asks from several threads

    def place(module: torch.nn.Module) -> torch.device:
        handle = by_module[id(module)]
        with one_at_a_time:
            # Without force_full_load, a plain module would stay partly on the CPU if memory is short.
            (load or _load_models)([handle.patcher], memory_required=handle.workspace, force_full_load=True)
        # Not the device of the patcher: with --novram nothing is moved.
        return next(module.parameters()).device

    return place


def networks_of(
    gpen_model: ModelHandle,
    face_detector: ModelHandle,
    task: Task,
    *,
    settings: Settings | None = None,
    face_parser: ModelHandle | None = None,
) -> Networks:
    """The networks of a block that finds faces and works on them, placed by ComfyUI's memory manager.

    Args:
        gpen_model, face_detector, face_parser: from the loaders.
        task: what the block does.
        settings: those of the chain, if the block runs it.

    Raises:
        SettingsError: the model is for another task, or the settings need a parser, and there is none.
    """
    require_task(gpen_model.loaded.name, gpen_model.loaded.task, task.name)
    settings = settings or Settings()
    parser = parser_for(settings.mask_mode, face_parser)
    with outside_inference_mode():
        landmarker, notes = choose_landmarker(settings.landmark_network)
    handles = gpen_model, face_detector, detector_handle(landmarker), *((parser,) if parser else ())
    return Networks(
        gpen_model.loaded,
        face_detector.loaded,
        landmarker,
        parser.loaded if parser else None,
        place=of_models(*handles),
        notes=notes,
    )


def generator_for(task: Task, connected: ModelHandle | None) -> ModelHandle:
    """The connected generator, else the best one for a task on this machine.

    Raises:
        SettingsError: the connected one is for another task.
    """
    if connected is not None:
        require_task(connected.loaded.name, connected.loaded.task, task.name)
        return connected
    with outside_inference_mode():
        return generator_handle(load_generator(device=device(), task=task.name))


def landmarker_handle() -> ModelHandle:
    """The handle of the bundled network for 68 landmarks."""
    with outside_inference_mode():
        loaded, _ = choose_landmarker()
    return detector_handle(loaded)


def ready_landmarker() -> Landmarker:
    """The bundled network for 68 landmarks, on ComfyUI's device."""
    return ready(landmarker_handle())


def ready_detector() -> FaceDetector:
    """The bundled detector, on ComfyUI's device."""
    with outside_inference_mode():
        loaded = load_detector(AUTO_DETECTORS[-1])
    return ready(detector_handle(loaded))


NO_PARSER = (
    "The mask_mode parsing needs a face parser, and none is on this machine: choose "
    f"{' or '.join(AUTO_PARSERS)}, which is then downloaded, in GPEN Load Face Parser and connect it to face_parser, "
    "or choose the mask_mode landmarks or ellipse."
)


def own_parser() -> ModelHandle:
    """The best face parser on this machine.

    Raises:
        SettingsError: there is none.
    """
    if not has_parser():
        raise SettingsError(NO_PARSER)
    with outside_inference_mode():
        return detector_handle(load_parser())


def parser_for(mask_mode: str, connected: ModelHandle | None) -> ModelHandle | None:
    """The parser for a mask mode: the connected one, else the best one on this machine; None if the mode needs none.

    Raises:
        SettingsError: the mode needs one, and there is none.
    """
    return (connected or own_parser()) if mask_mode == "parsing" else None


def ready_parser(mask_mode: str, connected: ModelHandle | None) -> FaceParser | None:
    """The network of `parser_for`, on ComfyUI's device."""
    handle = parser_for(mask_mode, connected)
    return None if handle is None else ready(handle)


def ready(handle: ModelHandle) -> Any:
    """The network of a handle, on ComfyUI's device."""
    of_models(handle)(handle.loaded.module)
    return handle.loaded.module


def _load_models(*args: Any, **kwargs: Any) -> None:
    import comfy.model_management as management

    management.load_models_gpu(*args, **kwargs)


def batch_size(handle: ModelHandle, place: Placement, asked: int) -> int:
    """Faces per forward pass: the user's choice or, if that is 0, as many as fit into ComfyUI's free memory."""
    import comfy.model_management as management

    if asked:
        return asked
    device = place(handle.loaded.module)
    return automatic_batch_size(handle.loaded.module, device, management.get_free_memory(device))

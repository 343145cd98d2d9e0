"""Where models run inside ComfyUI.

ComfyUI is imported inside the functions that ask it something, so that the rest can be tested without it.
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
from ..gpen.faces.landmarks.find import Landmarker
from ..gpen.models import LoadedModel, choose_landmarker
from ..gpen.restore import automatic_batch_size

# What the detector takes for one pass, beside its weights: the widest activations of RetinaFace on ResNet-50 over
# two million pixels, rounded up. The landmark network takes about half of it.
DETECTOR_WORKSPACE = 1 << 30
# Room for so many faces is asked of ComfyUI. More would push other models out for little: one face keeps a GPU busy.
_WISHED_FACES = 4


@dataclass(frozen=True, eq=False)
class ModelHandle:
    """A model on the wire.

    Attributes:
        loaded: the model as the engine built it; the same object for every block that asks for the same file.
        patcher: ComfyUI's ModelPatcher around its module. The name is the one ComfyUI's output cache looks for when
            memory runs short.
        workspace: bytes the model takes beside its weights while it runs.
    """

    loaded: LoadedModel
    patcher: Any
    workspace: int


class Patchers:
    """One ModelPatcher for each model, for as long as the model lives.

    ComfyUI holds patchers by weak references and takes a module whose patcher has gone for a leak, so a patcher must
    live as long as its module; a second one over the same module would replace the first.

    Args:
        make: builds the patcher of a module.
    """

    def __init__(self, make: Callable[[torch.nn.Module], Any]) -> None:
        self._make = make
        # A patcher holds the module, which knows nothing of the LoadedModel: the entry dies with its key.
        self._patchers: WeakKeyDictionary[LoadedModel, Any] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, model: LoadedModel) -> Any:
        """The patcher of a model; always the same one."""
        with self._lock:
            if model not in self._patchers:
                self._patchers[model] = self._make(model.module)
            return self._patchers[model]

    def __len__(self) -> int:
        return len(self._patchers)


def _make_patcher(module: torch.nn.Module) -> Any:
    import comfy.model_management as management
    import comfy.model_patcher as patching

    # Newer versions name the class that fits their way of memory management, and choose it after their start.
    kind = getattr(patching, "CoreModelPatcher", patching.ModelPatcher)
    return kind(module, load_device=management.get_torch_device(), offload_device=management.unet_offload_device())


patchers = Patchers(_make_patcher)


def building() -> AbstractContextManager:
    """For building models. Nodes run in inference mode, and tensors made there would be useless outside of it."""
    return torch.inference_mode(False)


def device() -> torch.device:
    """Where ComfyUI runs models."""
    import comfy.model_management as management

    return management.get_torch_device()


def generator_handle(model: LoadedModel[Network]) -> ModelHandle:
    """A generator for the wire."""
    return ModelHandle(model, patchers.of(model), _WISHED_FACES * model.module.activation_bytes())


def detector_handle(model: LoadedModel) -> ModelHandle:
    """A network that finds faces, or points in them, for the wire."""
    return ModelHandle(model, patchers.of(model), DETECTOR_WORKSPACE)


def of_models(*handles: ModelHandle, load: Callable[..., None] | None = None) -> Placement:
    """A placement that asks ComfyUI's memory manager, for the models of these handles.

    Args:
        handles: of every model the placement will be asked for.
        load: `comfy.model_management.load_models_gpu` unless told otherwise.
    """
    by_module = {id(handle.loaded.module): handle for handle in handles}

    def place(module: torch.nn.Module) -> torch.device:
        handle = by_module[id(module)]
        # Without force_full_load a plain module would stay partly on the CPU where memory is short.
        (load or _load_models)([handle.patcher], memory_required=handle.workspace, force_full_load=True)
        # Not the patcher's device: with --novram nothing is moved.
        return next(module.parameters()).device

    return place


def ready_landmarker() -> Landmarker:
    """The bundled network for 68 landmarks, where ComfyUI wants it to run."""
    with building():
        loaded, _ = choose_landmarker()
    of_models(detector_handle(loaded))(loaded.module)
    return loaded.module


def _load_models(*args: Any, **kwargs: Any) -> None:
    import comfy.model_management as management

    management.load_models_gpu(*args, **kwargs)


def batch_size(handle: ModelHandle, place: Placement, asked: int) -> int:
    """Faces per forward pass: what the user asked for, or (0) what fits the memory ComfyUI says is free."""
    import comfy.model_management as management

    if asked:
        return asked
    device = place(handle.loaded.module)
    return automatic_batch_size(handle.loaded.module, device, management.get_free_memory(device))

"""Placement, progress and interruption, as far as they can be tried without ComfyUI; tests/comfyui tries the rest."""

import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from gpen_blocks.gpen.errors import GPENError, SettingsError
from gpen_blocks.gpen.models import LoadedModel, load_generator
from gpen_blocks.gpen.network import Generator
from gpen_blocks.gpen.progress import Viewer
from gpen_blocks.gpen.restore import automatic_batch_size, restore_crops
from gpen_blocks.gpen.tasks import COLORIZATION, INPAINTING
from gpen_blocks.nodes import placement
from gpen_blocks.nodes.placement import ModelHandle, Patchers, of_models, outside_inference_mode
from gpen_blocks.nodes.progress import NodeProgress


class Patcher:
    """Holds its module as ComfyUI's ModelPatcher does."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.model = module


def loaded() -> LoadedModel:
    return LoadedModel("a model", Path("file"), "0" * 64, torch.nn.Linear(2, 2))


def test_a_model_has_one_patcher_for_life():
    patchers = Patchers(Patcher)
    model, other = loaded(), loaded()
    assert patchers.of(model) is patchers.of(model)
    assert patchers.of(model) is not patchers.of(other)
    assert patchers.of(model).model is model.module


def test_threads_that_ask_at_once_get_one_patcher():
    """ComfyUI takes a second patcher over the same module for a replacement of the first."""

    def make(module: torch.nn.Module) -> Patcher:
        time.sleep(0.02)
        return Patcher(module)

    patchers, model = Patchers(make), loaded()
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: patchers.of(model), range(8)))) == 1


def test_the_patcher_goes_with_its_model():
    """A patcher that kept its model alive would never give the memory back."""
    patchers = Patchers(Patcher)
    model = loaded()
    module = weakref.ref(model.module)
    patchers.of(model)
    del model
    gc.collect()
    assert len(patchers) == 0 and module() is None


def test_placement_asks_for_the_whole_model_and_reads_the_device_off_it():
    """Partly moved modules and patchers whose device is not the module's are what ComfyUI does when memory is short."""
    asked = []
    handles = [ModelHandle(model, Patcher(model.module), size) for model, size in ((loaded(), 10), (loaded(), 20))]
    place = of_models(*handles, load=lambda *args, **options: asked.append((args, options)))
    assert place(handles[1].loaded.module) == torch.device("cpu")
    assert asked == [(([handles[1].patcher],), {"memory_required": 20, "force_full_load": True})]


def test_models_built_by_a_node_can_be_used_outside_of_inference_mode():
    with torch.inference_mode():
        with outside_inference_mode():
            module = torch.nn.Linear(2, 2)
        assert not module.weight.is_inference()


class Bar:
    def __init__(self) -> None:
        self.steps = []

    def update_absolute(self, value, total=None, preview=None):
        self.steps.append((value, total, preview and preview[1].size))


def test_progress_shows_the_latest_picture_once():
    bar = Bar()
    progress = NodeProgress(bar, lambda: None)
    assert isinstance(progress, Viewer)
    progress("detect", 1, 2)
    progress.show(torch.rand(3, 3, 8, 6))
    progress("restore", 3, 4)
    progress("restore", 4, 4)
    progress.complete()
    # The last step waits for the end of the node.
    assert bar.steps == [(500, 1000, None), (750, 1000, (6, 8)), (999, 1000, None), (1000, 1000, None)]


def test_one_bar_goes_through_all_stages_and_never_back():
    bar = Bar()
    progress = NodeProgress(bar, lambda: None, {"detect": 1, "restore": 3})
    for step in (("detect", 1, 1), ("restore", 1, 3), ("detect", 0, 1), ("restore", 1, 3), ("restore", 3, 3)):
        progress(*step)
    assert [value for value, _, _ in bar.steps] == [250, 500, 999]
    progress.complete()
    assert bar.steps[-1] == (1000, 1000, None)


def test_every_chunk_is_shown_and_an_interrupt_ends_the_work_between_chunks():
    generator, crops = load_generator("gpen-lite-256").module, torch.rand(3, 3, 256, 256)
    bar, stop = Bar(), []

    def check() -> None:
        if stop:
            raise InterruptedError

    progress = NodeProgress(bar, check)
    restore_crops(generator, crops, batch_size=2, progress=progress)
    assert bar.steps == [(666, 1000, (256, 256)), (999, 1000, (256, 256))]
    stop.append(True)
    with pytest.raises(InterruptedError):
        restore_crops(generator, crops, batch_size=2, progress=progress)
    assert len(bar.steps) == 2


class Small(Generator):
    """The bundled generator on a device that has room for so many faces at a time."""

    def __init__(self, room: int, message: str) -> None:
        torch.nn.Module.__init__(self)
        self.inner = load_generator("gpen-lite-256").module
        self.config = self.inner.config
        self.room, self.message, self.batches = room, message, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(x))
        if len(x) > self.room:
            raise RuntimeError(self.message)
        return self.inner(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "message",
    ["MPS backend out of memory", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"],
)
def test_out_of_memory_halves_the_chunk(message):
    crops = torch.rand(5, 3, 256, 256)
    small = Small(2, message)
    restored = restore_crops(small, crops, batch_size=8)
    assert small.batches == [5, 2, 2, 1]
    assert (restored - restore_crops(small.inner, crops, batch_size=5)).abs().max() < 1e-5


def test_when_not_even_one_face_fits_it_is_told():
    with pytest.raises(GPENError, match="One face of 256 x 256 does not fit"):
        restore_crops(Small(0, "CUDA error: out of memory"), torch.rand(3, 3, 256, 256), batch_size=2)


def test_other_failures_of_the_network_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes"):
        restore_crops(Small(0, "shapes cannot be multiplied"), torch.rand(3, 3, 256, 256), batch_size=2)


def test_chunks_follow_the_free_memory():
    generator = load_generator("gpen-lite-256").module
    face = generator.activation_bytes()
    gpu = torch.device("cuda")
    assert automatic_batch_size(generator, gpu, 0) == 1
    assert automatic_batch_size(generator, gpu, 20 * face) == 10
    cpu = torch.device("cpu")
    assert automatic_batch_size(generator, cpu, 1 << 50) == automatic_batch_size(generator, cpu)
    assert automatic_batch_size(generator, cpu, 4 * face) == 2


def test_a_connected_model_of_another_task_is_refused():
    restorer = load_generator("gpen-lite-256")
    handle = ModelHandle(restorer, Patcher(restorer.module), 1)
    with pytest.raises(SettingsError, match="gpen-lite-256 is a GPEN for restoration; choose a model for inpainting"):
        placement.generator_for(INPAINTING, handle)
    with pytest.raises(SettingsError, match="choose a model for colorization"):
        placement.networks_of(handle, handle, COLORIZATION)

"""Whether everything lies on the device it should, on a pretended CUDA device: numbers come from the processor."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from pretend_cuda import DEVICE, OnCuda, PretendCuda, move

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import LoadedModel, load_detector, load_generator, load_landmarker
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.restored import RestoredBatch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models() -> dict[str, LoadedModel]:
    return {
        "generator": load_generator("gpen-lite-256", backend="eager", device=CPU),
        "detector": load_detector("face-detector-lite"),
        "landmarker": load_landmarker("face-landmarks-lite"),
    }


@pytest.fixture(scope="module")
def moved(models) -> dict[str, LoadedModel]:
    own = {name: replace(model, module=copy.deepcopy(model.module)) for name, model in models.items()}
    for model in own.values():
        move(model.module)
    return own


@pytest.fixture(scope="module")
def images(examples) -> torch.Tensor:
    """A face, and none."""
    portrait = read_picture(examples / "portrait-degraded.jpg").pixels
    return torch.cat([portrait, torch.full_like(portrait, 0.5)])


def restore_on_cuda(
    patch: pytest.MonkeyPatch, images: torch.Tensor, models: dict[str, LoadedModel], settings: Settings, free: int
) -> RestoredBatch:
    patch.setattr(torch.cuda, "mem_get_info", lambda device=None: (free, free))
    patch.setattr(torch.cuda, "synchronize", lambda device=None: None)
    with PretendCuda():
        return restore_batch(images, Networks(**models, place=lambda module: DEVICE), settings)


SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "network alone": {"frequency_blend": 0.0, "color_match": "mean_std", "mask_mode": "ellipse", "strength": 0.5},
    "detail": {"local_enhance": 1.0, "match_grain": 1.0, "finish_sigma": 1.0},
    "prepared": {"white_balance": "shades_of_grey", "deblock": 1.0, "exposure": 1.0, "levels": 1.0},
    "turned heads": {"rotated": True, "keep_grayscale": False},
}


@pytest.mark.parametrize("free", [1 << 40, 1 << 20], ids=["with the pictures", "networks alone"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_chain_is_the_same_beside_the_networks(settings, free, images, models, moved, monkeypatch):
    own = Settings(**settings)
    expected = restore_batch(images, Networks(**models, place=lambda module: CPU), own)
    done = restore_on_cuda(monkeypatch, images, moved, own, free)
    assert len(done.faces) == len(expected.faces) >= 1
    require_same(done, expected)


def require_same(done: RestoredBatch, expected: RestoredBatch) -> None:
    for name in ("images", "mask", "before", "after"):
        made = getattr(done, name)
        assert not isinstance(made, OnCuda), f"{name} stays on the device"
        # Filters and resizing are OpenCV's and matrix products on a CPU, and torch's elsewhere.
        torch.testing.assert_close(made, getattr(expected, name), rtol=0, atol=1e-4)


def test_a_single_window_comes_back_from_the_device(images, models, moved, monkeypatch):
    expected = restore_batch(images[:1], Networks(**models, place=lambda module: CPU), Settings())
    require_same(restore_on_cuda(monkeypatch, images[:1], moved, Settings(), 1 << 40), expected)


def test_without_a_face_the_images_come_back(images, moved, monkeypatch):
    done = restore_on_cuda(monkeypatch, images[1:], moved, Settings(), 1 << 40)
    assert not len(done.faces) and not done.mask.any()
    assert done.images.data_ptr() == images[1:].data_ptr()


def test_the_pretence_refuses_what_cuda_refuses():
    with PretendCuda():
        there, here = torch.ones(3, device="cuda"), torch.ones(3)
        assert there.device == DEVICE and (there + 1).device == DEVICE and here.to(there).device == DEVICE
        assert here.device == CPU and there.cpu().device == CPU
        with pytest.raises(RuntimeError, match="same device"):
            there.add(here)
        with pytest.raises(RuntimeError, match="same device"):
            torch.cat([there, here])
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
        with pytest.raises(RuntimeError, match="indices"):
            here[there.long() > 0]

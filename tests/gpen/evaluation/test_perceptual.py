"""Measures that need other people's code or networks: right where those are here, a plain word where they are not."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
import torch
from torch import nn

from gpen_blocks.gpen.errors import ModelNotFoundError
from gpen_blocks.gpen.evaluation import perceptual
from gpen_blocks.gpen.evaluation.perceptual import Lpips, Niqe, find_measures, load_inception, load_lpips
from gpen_blocks.gpen.faces.identity import Recogniser

CPU = torch.device("cpu")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty folder in torch hub's place."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_what_is_not_here_is_said_once_and_by_file(hub):
    """Nothing is fetched: a missing file is a sentence, not a download."""
    pytest.importorskip("torchmetrics")
    measures = find_measures(CPU)
    assert measures.lpips is None and measures.inception is None
    sentences = "\n".join(measures.missing)
    assert "LPIPS is not measured: " in sentences and "alexnet-owt-7be5be79.pth not found" in sentences
    assert "FID is not measured: " in sentences and "6726825d.pth not found" in sentences
    assert not list(hub.iterdir())


def test_without_torchmetrics_similarity_is_said_to_be_missing(monkeypatch, hub):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    measures = find_measures(CPU)
    assert not measures.similarity
    assert any("SSIM" in one and "gpen-blocks[evaluation]" in one for one in measures.missing)


@pytest.mark.parametrize("name", ["alexnet-owt-7be5be79.pth", "weights-inception-2015-12-05-6726825d.pth"])
def test_damaged_files_are_not_loaded(hub, name):
    """torch-fidelity unpickles its file without care: another one under that name must never reach it."""
    pytest.importorskip("torchmetrics")
    (hub / name).write_bytes(b"not what was published")
    with pytest.raises(ModelNotFoundError, match="damaged"):
        (load_lpips if name.startswith("alexnet") else load_inception)(CPU)


def test_lpips_is_zero_for_equal_pictures_and_one_value_a_picture(hub):
    """On the smallest backbone, with weights drawn here: no published file is needed for these."""
    pytest.importorskip("torchmetrics")
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    torch.save(squeezenet1_1().state_dict(), hub / "squeezenet1_1-b8a52dc0.pth")
    lpips = Lpips("squeeze", CPU)
    truth = torch.rand(2, 3, 64, 64)
    images = torch.stack([truth[0], truth[1].flip(-1)])
    same, other = lpips(images, truth)
    assert same == pytest.approx(0, abs=1e-6)
    assert other > 1e-4
    assert lpips(images[1:], truth[1:])[0] == pytest.approx(other, rel=1e-4)
    assert lpips.title == "LPIPS (squeeze)"


class _Shown(nn.Module):
    """Gives back what it is shown."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return crops


@pytest.mark.parametrize("size", [256, 512])
def test_the_recogniser_sees_the_face_in_112_pixels_from_minus_one_to_one(size):
    crops = torch.zeros(1, 3, 256, 256)
    crops[:, :, 35:223, 32:220] = 1
    scale = size // 256
    shown = Recogniser(_Shown())(crops.repeat_interleave(scale, 2).repeat_interleave(scale, 3))
    torch.testing.assert_close(shown, torch.ones(1, 3, 112, 112), rtol=0, atol=1e-5)
    crops[:, :, 35:223, 32:220] = 0
    torch.testing.assert_close(Recogniser(_Shown())(crops), -torch.ones(1, 3, 112, 112))


@pytest.mark.slow
def test_arcface_knows_a_face_as_itself():
    """facexlib's network takes what the recogniser hands it, and gives unit vectors."""
    from facexlib.recognition.arcface_arch import Backbone

    torch.manual_seed(0)
    recogniser = Recogniser(Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se"))
    crops = torch.rand(2, 3, 128, 128)
    vectors = recogniser(crops)
    assert vectors.shape == (2, 512)
    torch.testing.assert_close((vectors * vectors).sum(dim=1), torch.ones(2))
    torch.testing.assert_close(recogniser(crops), vectors)


def test_niqe_gets_blue_green_red_in_255ths_and_undefined_values_are_none():
    seen = []

    def calculate(picture: np.ndarray, crop_border: int) -> float:
        seen.append(picture)
        return float("nan") if picture.max() == picture.min() else 4.0

    images = torch.zeros(2, 3, 192, 200)
    images[0, 0], images[0, 1] = 1, 0.2
    assert Niqe(calculate)(images) == [4.0, None]
    assert seen[0].shape == (192, 200, 3) and seen[0][0, 0].tolist() == [0, 51, 255]
    assert Niqe(calculate)(images[..., :150, :150]) == [None, None]


def test_niqe_of_basicsr(examples):
    """A noisy picture is less natural than a clean one, a flat one has no value, and no stand-in module stays."""
    # Importing it here would fail: it wants a module that torchvision has dropped.
    if importlib.util.find_spec("basicsr") is None:
        pytest.skip("NIQE is basicsr's, which is not installed")
    from gpen_blocks.gpen.images import read_picture

    niqe = perceptual.load_niqe()
    assert "torchvision.transforms.functional_tensor" not in sys.modules
    clean = read_picture(examples / "portrait.png").pixels[..., :384, :384]
    noisy = (clean + 0.2 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    clean_value, noisy_value, flat_value = niqe(torch.cat([clean, noisy, torch.full_like(clean, 0.5)]))
    assert clean_value is not None and noisy_value is not None and flat_value is None
    assert 0 < clean_value < noisy_value

"""Measures that need third-party code or networks: LPIPS, FID and identity.

Nothing is downloaded: each is measured if its package and file are on this machine; otherwise an error says what is
missing. Pictures are RGB, B x 3 x H x W in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import GPENError, MissingPackageError, ModelNotFoundError
from ..faces.identity import Recogniser, load_recogniser
from .torch_hub import hub_file

# LPIPS backbones, by their names in torchmetrics and torchvision; the first available one is used.
_LPIPS_BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
# The Inception network of the original FID in torch-fidelity's conversion (its feature_extractor_inceptionv3.py).
_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"


class Lpips:
    """LPIPS (Zhang et al. 2018), 0 for equal pictures; torchmetrics' linear layers on a torchvision backbone."""

    def __init__(self, backbone: str, device: torch.device) -> None:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self.title = f"LPIPS ({backbone})"
        self._device = device
        kind: Any = backbone
        self._metric = LearnedPerceptualImagePatchSimilarity(net_type=kind, normalize=True).to(device)

    @torch.no_grad()
    def __call__(self, images: torch.Tensor, truth: torch.Tensor) -> list[float]:
        """B values for B pictures."""
        values = []
        for index in range(len(images)):
            one = slice(index, index + 1)
            self._metric.update(images[one].to(self._device), truth[one].to(self._device))
            values.append(float(self._metric.compute()))
            self._metric.reset()
        return values


def load_lpips(device: torch.device) -> Lpips:
    """LPIPS with the first backbone in torch hub's folder.

    Raises:
        ModelNotFoundError: there is none.
        MissingPackageError: torchmetrics or torchvision is not installed.
    """
    _require_torchmetrics()
    try:
        from torchvision.models import get_model_weights
    except ImportError as error:
        raise MissingPackageError(f"LPIPS needs torchvision ({error}); install gpen-blocks[evaluation].") from None
    missing: list[str] = []
    for backbone, name in _LPIPS_BACKBONES.items():
        try:
            hub_file(Path(str(next(iter(get_model_weights(name))).url)).name)
        except ModelNotFoundError as error:
            missing.append(str(error))
            continue
        return Lpips(backbone, device)
    raise ModelNotFoundError(missing[0])


class Inception:
    """Features for FID: pool3 of the original network, B x 2048."""

    title = "FID"
    length = 2048

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device)
        self._device = device

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        pixels = images.mul(255).round().clamp(0, 255).byte().to(self._device)
        return self._network(pixels).cpu()


def load_inception(device: torch.device) -> Inception:
    """torch-fidelity's Inception, as used by torchmetrics.

    Raises:
        ModelNotFoundError: its file is not in torch hub's folder.
        MissingPackageError: torchmetrics or torch-fidelity is not installed.
    """
    _require_torchmetrics()
    # Its file is a pickle that torch-fidelity loads without safety checks, so only the published one is passed on.
    path = hub_file(_INCEPTION)
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        network = NoTrainInceptionV3("inception-v3-compat", [str(Inception.length)], str(path))
    except ModuleNotFoundError:
        raise MissingPackageError("FID needs torch-fidelity; install gpen-blocks[evaluation].") from None
    return Inception(network, device)


@dataclass(frozen=True, eq=False)
class PerceptualMeasures:
    """The available measures; None for the others.

    Attributes:
        similarity: whether torchmetrics is installed, for SSIM and MS-SSIM.
        missing: one sentence for each missing measure.
    """

    similarity: bool = True
    lpips: Lpips | None = None
    inception: Inception | None = None
    recogniser: Recogniser | None = None
    missing: tuple[str, ...] = ()


def find_measures(device: torch.device) -> PerceptualMeasures:
    """Load every measure whose package and file are on this machine."""
    loaders: dict[str, tuple[str, Callable[[], Any]]] = {
        "lpips": ("LPIPS", lambda: load_lpips(device)),
        "inception": ("FID", lambda: load_inception(device)),
        "recogniser": ("Identity", lambda: load_recogniser(device)),
    }
    found: dict[str, Any] = {}
    missing: list[str] = []
    try:
        _require_torchmetrics()
    except MissingPackageError as error:
        found["similarity"] = False
        missing.append(f"SSIM and MS-SSIM are not measured. {error}")
    for name, (title, load) in loaders.items():
        try:
            found[name] = load()
        except GPENError as error:
            missing.append(f"{title} is not measured. {error}")
    return PerceptualMeasures(**found, missing=tuple(missing))


def _require_torchmetrics() -> None:
    try:
        import torchmetrics  # noqa: F401
    except ImportError:
        raise MissingPackageError("These measures need torchmetrics; install gpen-blocks[evaluation].") from None

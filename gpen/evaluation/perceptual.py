"""Measures that need other people's code or networks: NIQE, LPIPS, FID and identity.

Nothing is fetched: each is measured where its package and its file are on this machine already, and where they are
not, an error says what is missing. Pictures are RGB, B x 3 x H x W in 0..1.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from ..checks import require_finite_images
from ..errors import GPENError, ModelNotFoundError, SettingsError
from ..faces.identity import Recogniser, load_recogniser
from .torch_hub import hub_file

# basicsr's niqe.py measures blocks of this side; below two of them there is no covariance.
_NIQE_BLOCK = 96
# LPIPS backbones, by torchmetrics' names and torchvision's; the first that is here is taken.
_LPIPS_BACKBONES = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}
# The Inception network of the original FID in torch-fidelity's conversion (its feature_extractor_inceptionv3.py).
_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"


class Niqe:
    """NIQE (Mittal et al. 2013), lower is more natural; basicsr's, with the official parameters.

    Crops of 256 x 256 hold four of its blocks, so that single values are coarse; compare means over many pictures.
    """

    title = "NIQE"

    def __init__(self, calculate: Callable[..., float]) -> None:
        self._calculate = calculate

    def __call__(self, images: torch.Tensor) -> list[float | None]:
        """B values; None for a picture that is too small or too flat to have one."""
        require_finite_images(images)
        return [self._measure(image) for image in images]

    def _measure(self, image: torch.Tensor) -> float | None:
        height, width = image.shape[-2:]
        if (height // _NIQE_BLOCK) * (width // _NIQE_BLOCK) < 2:
            return None
        bgr = image.flip(0).mul(255).round().permute(1, 2, 0).cpu().numpy()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Flat blocks have no distribution, which NumPy warns of.
            warnings.simplefilter("ignore")
            try:
                value = self._calculate(bgr, crop_border=0)
            except np.linalg.LinAlgError:
                return None
        return float(value) if np.isfinite(value) else None


def load_niqe() -> Niqe:
    """basicsr's NIQE.

    Raises:
        SettingsError: basicsr is not installed, or cannot be on this Python.
    """
    if sys.version_info >= (3, 13):
        raise SettingsError("basicsr, which measures it, cannot be installed on Python 3.13 and above")
    with _functional_tensor():
        try:
            from basicsr.metrics.niqe import calculate_niqe  # pyright: ignore[reportMissingImports] (an extra)
        except ImportError as error:
            raise SettingsError(f"it needs basicsr: install gpen-blocks[basicsr] ({error})") from None
    return Niqe(calculate_niqe)


@contextmanager
def _functional_tensor() -> Iterator[None]:
    """The module that torchvision dropped in 0.17, with the one function that basicsr 1.4.2 imports from it."""
    from torchvision.transforms import functional

    name = "torchvision.transforms.functional_tensor"
    if name in sys.modules:
        yield
        return
    stand_in: Any = ModuleType(name)
    stand_in.rgb_to_grayscale = functional.rgb_to_grayscale
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        del sys.modules[name]


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
    """LPIPS on the first backbone that lies in torch hub's folder.

    Raises:
        ModelNotFoundError: none does.
        SettingsError: torchmetrics or torchvision is not installed.
    """
    _require_torchmetrics()
    try:
        from torchvision.models import get_model_weights
    except ImportError as error:
        raise SettingsError(f"it needs torchvision: install gpen-blocks[evaluation] ({error})") from None

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
    """The features that FID compares: pool3 of the original network, B x 2048."""

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
    """torch-fidelity's Inception, as torchmetrics runs it.

    Raises:
        ModelNotFoundError: its file is not in torch hub's folder.
        SettingsError: torchmetrics or torch-fidelity is not installed.
    """
    _require_torchmetrics()
    # Its file is a pickle that torch-fidelity reads without care: only the published one may be handed over.
    path = hub_file(_INCEPTION)
    from torchmetrics.image.fid import NoTrainInceptionV3

    try:
        network = NoTrainInceptionV3("inception-v3-compat", [str(Inception.length)], str(path))
    except ModuleNotFoundError:
        raise SettingsError("it needs torch-fidelity: install gpen-blocks[evaluation]") from None
    return Inception(network, device)


@dataclass(frozen=True, eq=False)
class PerceptualMeasures:
    """The measures that this machine has; None for the others.

    Attributes:
        similarity: whether torchmetrics is here, for SSIM and MS-SSIM.
        missing: a sentence for each that it has not.
    """

    similarity: bool = True
    niqe: Niqe | None = None
    lpips: Lpips | None = None
    inception: Inception | None = None
    recogniser: Recogniser | None = None
    missing: tuple[str, ...] = ()


def find_measures(device: torch.device) -> PerceptualMeasures:
    """Load every measure whose package and file are on this machine."""
    loaders: dict[str, tuple[str, Callable[[], Any]]] = {
        "niqe": ("NIQE", load_niqe),
        "lpips": ("LPIPS", lambda: load_lpips(device)),
        "inception": ("FID", lambda: load_inception(device)),
        "recogniser": ("Identity", lambda: load_recogniser(device)),
    }
    found: dict[str, Any] = {}
    missing: list[str] = []
    try:
        _require_torchmetrics()
    except SettingsError as error:
        found["similarity"] = False
        missing.append(f"SSIM and MS-SSIM are not measured: {error}.")
    for name, (title, load) in loaders.items():
        try:
            found[name] = load()
        except GPENError as error:
            missing.append(f"{title} is not measured: {str(error).rstrip('.')}.")
    return PerceptualMeasures(**found, missing=tuple(missing))


def _require_torchmetrics() -> None:
    try:
        import torchmetrics  # noqa: F401
    except ImportError:
        raise SettingsError("it needs torchmetrics: install gpen-blocks[evaluation]") from None

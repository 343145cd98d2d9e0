"""Methods that an evaluation compares: the input itself, unsharp masks, networks that enlarge, and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ...weights import store
from ..backends import Network
from ..devices import Placement
from ..enlarging import Upscaler, load_upscaler
from ..model_files import AUTO_GENERATORS
from ..models import LoadedModel, load_generator
from ..pixels.filters import gaussian_blur
from ..restore import restore_crops

BASELINE = "input"
"""The degraded picture itself, resized to the original's size by bicubic interpolation if necessary."""

UNSHARP = ((1.0, 1.0), (2.0, 1.5))
"""Standard deviations in pixels and amounts of the compared unsharp masks: a usual one and a strong one."""


@dataclass(frozen=True, eq=False)
class Method:
    """A method to restore crops.

    Attributes:
        name: name in reports.
        run: takes B x 3 x S x S in 0..1 and the side T of the original, returns B x 3 x T x T in 0..1.
        facts: JSON-serialisable; for a model: file, SHA-256, size and template.
        template: landmark template on which a model was trained; None for other methods.
    """

    name: str
    run: Callable[[torch.Tensor, int], torch.Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    template: str | None = None


def baselines() -> tuple[Method, ...]:
    """The input itself (in the original's size), and the unsharp masks of `UNSHARP`."""
    return (
        Method(BASELINE, to_side, {"kind": "baseline", "description": "bicubic where the sizes differ"}),
        *(
            Method(
                f"unsharp {sigma:g} px {amount:.0%}",
                partial(_sharpened, sigma=sigma, amount=amount),
                {"kind": "unsharp mask", "sigma": sigma, "amount": amount},
            )
            for sigma, amount in UNSHARP
        ),
    )


def unsharp_mask(images: torch.Tensor, sigma: float, amount: float) -> torch.Tensor:
    """`x + amount (x - G(x))` with a Gaussian G of `sigma` pixels, clipped to 0..1: B x 3 x H x W to the same."""
    return (images + amount * (images - gaussian_blur(images, sigma))).clamp(0, 1)


def _sharpened(images: torch.Tensor, side: int, *, sigma: float, amount: float) -> torch.Tensor:
    return unsharp_mask(to_side(images, side), sigma, amount)


def to_side(images: torch.Tensor, side: int) -> torch.Tensor:
    """Resize square pictures: bicubic, with anti-aliasing when reducing."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def upscaler_methods(files: Sequence[str | Path], place: Placement) -> tuple[Method, ...]:
    """Load networks that enlarge, such as Real-ESRGAN, as methods; their answers are brought to the original's size.

    Args:
        files: as for `load_upscaler`.
        place: placement of the networks.

    Raises:
        MissingPackageError: spandrel is not installed.
        ModelNotFoundError: a file does not exist.
        CheckpointError: a file is no network that enlarges.
    """
    loaded = {upscaler.sha256: upscaler for upscaler in map(load_upscaler, files)}
    stems = [upscaler.name for upscaler in loaded.values()]
    return tuple(_upscaler_method(one, stems.count(one.name) > 1, place) for one in loaded.values())


def _upscaler_method(upscaler: Upscaler, ambiguous: bool, place: Placement) -> Method:
    def run(crops: torch.Tensor, side: int) -> torch.Tensor:
        return to_side(torch.cat([upscaler(crop, place) for crop in crops.split(1)]), side)

    facts = {
        "kind": "upscaler",
        "file": str(upscaler.path),
        "sha256": upscaler.sha256,
        "architecture": upscaler.architecture,
        "scale": upscaler.scale,
    }
    return Method(str(upscaler.path) if ambiguous else upscaler.name, run, facts)


def model_methods(names: Sequence[str], place: Placement) -> tuple[Method, ...]:
    """Load models as methods.

    Args:
        names: registry names or paths, `bundled`, or `auto` for the best one on this machine; empty: all restoration
            models on this machine.
        place: placement of the models.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        NotGPENError: a file is another kind of network.
    """
    here = [model.record for model in store.installed() if model.record]
    wanted = list(names) or [one.name for one in here if one.kind == "generator" and one.task == "restoration"]
    loaded: dict[str, LoadedModel[Network]] = {}
    for name in wanted:
        # The results must not depend on installed backends.
        model = load_generator(AUTO_GENERATORS[-1] if name == "bundled" else name, backend="eager")
        loaded.setdefault(model.sha256, model)
    stems = [model.name for model in loaded.values()]
    return tuple(_model_method(model, stems.count(model.name) > 1, place) for model in loaded.values())


def _model_method(model: LoadedModel[Network], ambiguous: bool, place: Placement) -> Method:
    def run(crops: torch.Tensor, side: int) -> torch.Tensor:
        return to_side(restore_crops(model.module, crops, place=place), side)

    facts = {
        "kind": "model",
        "file": str(model.path),
        "sha256": model.sha256,
        "size": model.module.config.size,
        "template": model.template,
    }
    return Method(str(model.path) if ambiguous else model.name, run, facts, model.template)

"""Ways to restore crops that an evaluation compares: the input itself, unsharp masks, and models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from ...weights import store
from ..backends import Network
from ..devices import Placement
from ..models import AUTO_GENERATORS, LoadedModel, load_generator
from ..pixels.filters import gaussian_blur
from ..restore import restore_crops

BASELINE = "input"
"""The degraded picture itself, brought to the truth's size by bicubic interpolation where it has another one."""

UNSHARP = ((1.0, 1.0), (2.0, 1.5))
"""Deviations in pixels and amounts of the unsharp masks compared with: a customary one, and a strong one."""


@dataclass(frozen=True, eq=False)
class Method:
    """A way to restore crops.

    Attributes:
        name: what reports call it.
        run: given B x 3 x S x S in 0..1 and the truth's side T, returns B x 3 x T x T in 0..1.
        facts: ready for JSON; of a model its file, SHA-256, size and template.
        template: landmark template a model was taught on; None for other methods.
    """

    name: str
    run: Callable[[torch.Tensor, int], torch.Tensor]
    facts: dict[str, Any] = field(default_factory=dict)
    template: str | None = None


def baselines() -> tuple[Method, ...]:
    """The input as it is (in the truth's size), and the unsharp masks of `UNSHARP`."""
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
    """Square pictures in another size: bicubic, with anti-aliasing where they shrink."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def model_methods(names: Sequence[str], place: Placement) -> tuple[Method, ...]:
    """Models as methods.

    Args:
        names: registry names or paths, `bundled` for the one that comes with the package, `auto` for the best one
            here; empty for all restoring generators on this machine.
        place: where they are to run.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        NotGPENError: a file is another kind of network.
    """
    here = [model.record for model in store.installed() if model.record]
    wanted = list(names) or [one.name for one in here if one.kind == "generator" and one.task == "restoration"]
    loaded: dict[str, LoadedModel[Network]] = {}
    for name in wanted:
        # Figures are to be the same whatever is installed.
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

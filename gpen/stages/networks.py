"""The networks the chain runs on, and where."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..backends import Backend, Network, Precision
from ..devices import Placement, on_device, select_device
from ..faces.detection import FaceDetector
from ..faces.landmarks import Landmarker
from ..faces.masks.parsing import FaceParser
from ..models import LoadedModel, choose_landmarker, load_detector, load_generator, load_parser
from ..settings import Settings


@dataclass(frozen=True, eq=False)
class Networks:
    """Every network the chain runs on.

    Attributes:
        generator: restores crops; from `load_generator`.
        detector: finds faces; from `load_detector`.
        landmarker: finds their 68 landmarks; by default the bundled one.
        parser: tells skin from hair; from `load_parser`. Only the mask mode `parsing` needs one.
        place: where they run; by default the best device there is.
        notes: a sentence for each that is not as the settings ask for.
    """

    generator: LoadedModel[Network]
    detector: LoadedModel[FaceDetector]
    landmarker: LoadedModel[Landmarker] = field(default_factory=lambda: choose_landmarker()[0])
    parser: LoadedModel[FaceParser] | None = None
    place: Placement = field(default_factory=lambda: on_device(select_device()))
    notes: tuple[str, ...] = ()


def load_networks(
    generator: str = "auto",
    detector: str = "auto",
    *,
    settings: Settings,
    device: torch.device | None = None,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> Networks:
    """The networks that the settings ask for; each is built once and shared.

    Args:
        generator: a registry name, a path, or `auto`: the best one on this machine.
        detector: a registry name, a path, or `auto`: the best one on this machine.
        settings: what the chain will be told.
        device: where they run; by default the best device there is.
        backend, precision: of the generator, see `models.load_generator`.

    Raises:
        ModelNotFoundError: a model is not on this machine (nothing is downloaded here).
        SettingsError: the generator is for another task; an unknown backend or precision.
    """
    device = device or select_device()
    restores = load_generator(generator, precision=precision, backend=backend, device=device)
    landmarker, notes = choose_landmarker(settings.landmarks68)
    return Networks(
        restores,
        load_detector(detector),
        landmarker,
        load_parser() if settings.mask_mode == "parsing" else None,
        on_device(device),
        (*restores.notes, *notes),
    )

"""The networks of the chain and their placement."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..backends import Backend, Network, Precision
from ..devices import Placement, on_device, select_device
from ..errors import SettingsError
from ..faces.detection import FaceDetector
from ..faces.landmarks import Landmarker
from ..faces.masks.parsing import FaceParser
from ..models import LoadedModel, choose_landmarker, load_detector, load_generator, load_parser
from ..settings import Settings


@dataclass(frozen=True, eq=False)
class Networks:
    """All networks of the chain.

    Attributes:
        generator: restores crops; see `load_generator`.
        detector: finds faces; see `load_detector`.
        landmarker: finds 68 landmarks per face; by default the bundled one.
        parser: separates skin from hair; see `load_parser`. Only the mask mode `parsing` needs it.
        place: placement of the networks; by default the best available device.
        notes: one sentence for each deviation from the settings.
    """

    generator: LoadedModel[Network]
    detector: LoadedModel[FaceDetector]
    landmarker: LoadedModel[Landmarker] = field(default_factory=lambda: choose_landmarker()[0])
    parser: LoadedModel[FaceParser] | None = None
    place: Placement = field(default_factory=lambda: on_device(select_device()))
    notes: tuple[str, ...] = ()

    def require(self, settings: Settings) -> None:
        """Check that the networks for these settings are here, before any work.

        Raises:
            SettingsError: the mask mode is `parsing`, and there is no parser.
        """
        if settings.mask_mode == "parsing" and self.parser is None:
            raise SettingsError(
                "The mask mode parsing needs a face parser; load one, or choose the mask mode landmarks or ellipse."
            )


def load_networks(
    generator: str = "auto",
    detector: str = "auto",
    *,
    settings: Settings,
    device: torch.device | None = None,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> Networks:
    """Load the networks for these settings; each is built once and shared.

    Args:
        generator: a registry name, a path, or `auto`: the best one on this machine.
        detector: a registry name, a path, or `auto`: the best one on this machine.
        settings: settings of the chain.
        device: device to run on; by default the best available one.
        backend, precision: for the generator, see `models.load_generator`.

    Raises:
        ModelNotFoundError: a model is not on this machine (nothing is downloaded here).
        SettingsError: the generator is for another task, or the backend or precision is unknown.
    """
    device = device or select_device()
    parser = load_parser() if settings.mask_mode == "parsing" else None  # none is bundled, so it may be missing
    restores = load_generator(generator, precision=precision, backend=backend, device=device)
    landmarker, notes = choose_landmarker(settings.landmark_network)
    return Networks(
        restores,
        load_detector(detector),
        landmarker,
        parser,
        on_device(device),
        (*restores.notes, *notes),
    )

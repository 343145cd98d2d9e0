"""The weighted sum of the losses of a configuration."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...errors import SettingsError
from ...faces.identity import load_recogniser
from ...faces.masks.parts import Part, part_gains, template_landmarks
from .config import Losses
from .features import load_features
from .losses import BandTerms, feature_matching, focal_frequency, identity, smooth_l1


class Objective(nn.Module):
    """The losses on the picture; `forward` gives their weighted sum and each of them unweighted.

    The facial parts are at the positions of the template: aligned faces differ by only a few pixels, and the windows of
    the band terms are larger.

    Args:
        losses: weights of the losses.
        size: side of the faces in pixels.
        template: alignment template of the faces.
        device: device of the faces.

    Raises:
        ModelNotFoundError: the network of a loss is not on this machine.
        SettingsError: there is no such facial part.
    """

    def __init__(self, losses: Losses, size: int, template: str, device: torch.device) -> None:
        super().__init__()
        self.losses = losses
        weights, gains = (
            part_plane(parts, size, template, elsewhere)
            for parts, elsewhere in ((losses.parts, 0.1), (losses.gains, 1.0))
        )
        self.bands = BandTerms(weights, gains)
        self.features = load_features() if losses.features else None
        self.recogniser = load_recogniser(device) if losses.identity else None
        self.requires_grad_(False).to(device)

    def forward(self, output: Tensor, truth: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the losses of B x 3 x S x S pictures in 0..1."""
        parts: dict[str, Tensor] = {}
        if self.losses.smooth_l1:
            parts["smooth_l1"] = smooth_l1(output, truth)
        if self.losses.focal_frequency:
            parts["focal_frequency"] = focal_frequency(output, truth)
        if self.losses.band_energy or self.losses.band_agreement:
            parts["band_energy"], parts["band_agreement"] = self.bands(output, truth)
        if self.features is not None:
            parts["features"] = feature_matching(self.features(output), self.features(truth))
        if self.recogniser is not None:
            parts["identity"] = identity(self.recogniser(output), self.recogniser(truth))
        total = sum((getattr(self.losses, name) * value for name, value in parts.items()), output.new_zeros(()))
        return total, parts


def part_plane(numbers: Mapping[str, float], size: int, template: str, elsewhere: float) -> Tensor:
    """Map of numbers, S x S, from one number per facial part.

    Raises:
        SettingsError: there is no such part.
    """
    known = Part.__args__
    for name in numbers:
        if name not in known:
            raise SettingsError(f"There is no facial part {name}; choose from {', '.join(known)}.")
    gains = {part: numbers[part] for part in known if part in numbers}
    return part_gains(template_landmarks(1, size, template), size, gains, elsewhere)[0, 0]

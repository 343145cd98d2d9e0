"""Ways to raise weak detail, each with one amount to turn, and the amount at which two of them raise it alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.detail.local_adaptive import enhance
from gpen_blocks.gpen.faces.masks.parts import Part, part_gains, template_landmarks
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur

from .measures import detail, rms

# The whole head counts alike, so that what is compared is the method and not its map of the face.
EVERYWHERE: dict[Part, float] = dict.fromkeys(("eyes", "lips", "cheeks", "hairline", "skin", "hair"), 1.0)
STRENGTH = 0.6  # the default
# How near two gains have to come to be equal, and within how many steps.
_TOLERANCE, _STEPS = 1e-5, 20

Enhancer = Callable[[float], torch.Tensor]
"""From an amount to lightness, 1 x 1 x S x S."""


@dataclass(frozen=True, eq=False)
class Crop:
    """One crop that is enhanced.

    Attributes:
        image: 1 x 3 x S x S in 0..1.
        template: on which its landmarks lie.
        head: 1 x 1 x S x S in 0..1, the part of it that is enhanced.
        lightness: 1 x 1 x S x S, BT.709 luma.
    """

    image: torch.Tensor
    template: str
    head: torch.Tensor
    lightness: torch.Tensor

    @classmethod
    def of(cls, image: torch.Tensor, template: str) -> Crop:
        size = image.shape[-1]
        head = part_gains(template_landmarks(1, size, template), size, EVERYWHERE, elsewhere=0.0)
        return cls(image, template, head, luma(image))


def local_adaptive(crop: Crop, strength: float = STRENGTH) -> torch.Tensor:
    """This project's local adaptive enhancement."""
    return luma(enhance(crop.image, strength, template=crop.template, part_strengths=EVERYWHERE)[0])


def unsharp(crop: Crop) -> Enhancer:
    """Unsharp masking with the Gaussian that local adaptive enhancement has."""
    added = crop.head * detail(crop.lightness)
    return lambda amount: (crop.lightness + amount * added).clamp(0, 1)


def clamped_unsharp(crop: Crop) -> Enhancer:
    """Unsharp masking kept within the 5 x 5 pixels around, as local adaptive enhancement is."""
    plain, (low, high) = unsharp(crop), neighbourhood(crop.lightness)
    return lambda amount: torch.minimum(torch.maximum(plain(amount), low), high)


def opencv_detail(crop: Crop) -> Enhancer:
    """OpenCV's detailEnhance (Gastal and Oliveira 2011) with its default settings, mixed with the crop."""
    scale = crop.image.shape[-1] / 512
    levels = (crop.image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    raised = cv2.detailEnhance(np.ascontiguousarray(levels), sigma_s=10 * scale, sigma_r=0.15)
    other = torch.from_numpy(raised).permute(2, 0, 1)[None].float() / 255
    added = crop.head * (luma(other) - crop.lightness)
    return lambda amount: (crop.lightness + amount * added).clamp(0, 1)


ENHANCERS: dict[str, Callable[[Crop], Enhancer]] = {
    "unsharp masking": unsharp,
    "unsharp masking, clamped": clamped_unsharp,
    "detailEnhance": opencv_detail,
}
LAP = "local adaptive"


def neighbourhood(lightness: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the greatest of the 5 x 5 pixels around each."""
    return -F.max_pool2d(-lightness, 5, 1, 2), F.max_pool2d(lightness, 5, 1, 2)


def gain(after: torch.Tensor, before: torch.Tensor, where: torch.Tensor) -> float:
    """How many times the detail is as strong in a region (ratio of RMS)."""
    return rms(detail(after)[where]) / rms(detail(before)[where])


def equal_amount(enhancer: Enhancer, crop: Crop, where: torch.Tensor, wanted: float) -> float:
    """The amount at which the detail of a region gains as much as wanted, by the secant method.

    Raises:
        ValueError: none was found.
    """
    (amount, reached), (other, other_reached) = (0.0, 1.0), (0.5, gain(enhancer(0.5), crop.lightness, where))
    for _ in range(_STEPS):
        if abs(reached - wanted) < _TOLERANCE:
            return amount
        # Where more is wanted, more is added: the gain rises almost straight with the amount.
        step = (wanted - reached) * (other - amount) / (other_reached - reached)
        (other, other_reached), amount = (amount, reached), max(amount + step, 0.0)
        reached = gain(enhancer(amount), crop.lightness, where)
    raise ValueError(f"No amount was found that gains {wanted:.4f}; {amount:.3f} gains {reached:.4f}.")


def blurred(image: torch.Tensor) -> torch.Tensor:
    """A little soft: a Gaussian of one pixel, in 8-bit levels."""
    return (gaussian_blur(image, 1) * 255).round() / 255

"""Faded photographs: the range from black to white they once had.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; luma is BT.709's on the encoded values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..checks import require_between, require_finite_images
from ..pixels.color import luma

# Black and white are where this share of the pixels is darker, or brighter.
_SHARE = 0.005
# A photograph that spans so much of the range has not faded: 97 % of 388 pictures without faces span more, and all of
# 109 portraits.
_FULL = 0.6
# Where black and white come to lie, and the most that contrast is raised: more would raise the noise to be seen first.
_BLACK, _WHITE, _MOST = 0.02, 0.98, 3.0
# Pixels that are looked at, evenly spread.
_JUDGED = 250_000


@dataclass(frozen=True)
class Fading:
    """How far a picture has faded.

    Attributes:
        black, white: luma in 0..1 that nearly all of its pixels lie between.
        gain: what its contrast was raised by; 1 where nothing was done.
    """

    black: float
    white: float
    gain: float = 1.0

    @property
    def found(self) -> bool:
        """Whether the picture looks faded."""
        return self.white - self.black < _FULL


@torch.no_grad()
def restore_levels(images: torch.Tensor, strength: float = 1.0) -> tuple[torch.Tensor, tuple[Fading, ...]]:
    """Give faded pictures their black and white back.

    All channels go through the same straight line, which brings the colours back together with the contrast, and keeps
    grey grey to the bit. A picture that spans most of the range, or is flat, is left as it is; fog and snow look faded
    too, so that this is to be asked for.

    Args:
        images: B x 3 x H x W in 0..1, whole pictures.
        strength: 0..1, how far black and white are moved.

    Returns:
        B x 3 x H x W in 0..1, the very tensor `images` where no picture was changed, and what was found, for each.

    Raises:
        ImageError: the images have another shape or hold NaN or infinity.
        SettingsError: the strength is out of range.
    """
    require_finite_images(images)
    require_between("strength", strength, 0, 1)
    result, found = images, []
    for index in range(len(images)):
        fading = _measure(images[index : index + 1])
        span = fading.white - fading.black
        if fading.found and strength > 0 and span > 1 / 255:
            full = min((_WHITE - _BLACK) / span, _MOST)
            gain = 1 + strength * (full - 1)
            # The middle of what is there goes towards the middle of what there could be.
            middle = (fading.black + fading.white) / 2
            target = middle + strength * ((_BLACK + _WHITE) / 2 - middle)
            result = images.clone() if result is images else result
            result[index] = ((images[index] - middle) * gain + target).clamp(0, 1)
            fading = Fading(fading.black, fading.white, gain)
        found.append(fading)
    return result, tuple(found)


def _measure(image: torch.Tensor) -> Fading:
    step = max(1, int((image.shape[-1] * image.shape[-2] / _JUDGED) ** 0.5))
    values = luma(image[..., ::step, ::step].float()).flatten().sort().values
    last = len(values) - 1
    return Fading(float(values[round(_SHARE * last)]), float(values[round((1 - _SHARE) * last)]))

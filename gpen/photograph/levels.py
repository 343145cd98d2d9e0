"""Restore the contrast of faded photographs.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; luma is BT.709's on the encoded values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..checks import require_between, require_finite_images
from ..pixels.color import luma
from ..pixels.filters import row_strips
from ..progress import Steps, each, no_steps

# Black and white points: this share of the pixels is darker or brighter.
_SHARE = 0.005
# A photograph with at least this span is not faded: 97 % of 388 pictures without faces, and all of 109 portraits,
# have more.
_FULL = 0.6
# Target black and white points, and the maximum gain: beyond it, noise would become visible.
_BLACK, _WHITE, _MOST = 0.02, 0.98, 3.0
# Pixels processed at a time.
_STRIP_PIXELS = 2_000_000
# Number of evenly spaced sample pixels.
_JUDGED = 250_000


@dataclass(frozen=True)
class Fading:
    """Measured fading of a picture.

    Attributes:
        black, white: luma in 0..1 between which nearly all of its pixels are.
        gain: factor by which its contrast was raised; 1 if unchanged.
    """

    black: float
    white: float
    gain: float = 1.0

    @property
    def found(self) -> bool:
        """Whether the picture looks faded."""
        return self.white - self.black < _FULL


@torch.no_grad()
def restore_levels(
    images: torch.Tensor, strength: float = 1.0, *, progress: Steps = no_steps
) -> tuple[torch.Tensor, tuple[Fading, ...]]:
    """Restore the black and white points of faded pictures.

    All channels are mapped by the same linear function, which restores colours together with contrast and keeps grey
    exactly grey. A picture that spans most of the range, or is flat, stays unchanged. Fog and snow look faded too, so
    this is off by default.

    Args:
        images: B x 3 x H x W in 0..1, whole pictures.
        strength: 0..1, share of the correction.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1 (the tensor `images` itself if nothing changed), and the fading of each picture.

    Raises:
        ImageError: the images have a wrong shape or contain NaN or infinity.
        SettingsError: the strength is out of range.
    """
    require_finite_images(images)
    require_between("strength", strength, 0, 1)
    result, found = images, []
    height, width = images.shape[-2:]
    for index, steps in each(range(len(images)), progress):
        fading = _measure(images[index : index + 1])
        span = fading.white - fading.black
        if fading.found and strength > 0 and span > 1 / 255:
            full = min((_WHITE - _BLACK) / span, _MOST)
            gain = 1 + strength * (full - 1)
            # The centre of the current range moves towards the centre of the full range.
            middle = (fading.black + fading.white) / 2
            target = middle + strength * ((_BLACK + _WHITE) / 2 - middle)
            result = images.clone() if result is images else result
            for rows, _ in each(list(row_strips(height, width, _STRIP_PIXELS)), steps):
                result[index, :, rows] = ((images[index, :, rows] - middle) * gain + target).clamp(0, 1)
            fading = Fading(fading.black, fading.white, gain)
        found.append(fading)
    return result, tuple(found)


def line_of(fading: Fading, strength: float) -> tuple[float, float]:
    """Factor and summand by which `restore_levels` maps the levels of a picture; (1, 0) if it was not faded."""
    if fading.gain == 1:
        return 1.0, 0.0
    middle = (fading.black + fading.white) / 2
    target = middle + strength * ((_BLACK + _WHITE) / 2 - middle)
    return fading.gain, target - fading.gain * middle


def _measure(image: torch.Tensor) -> Fading:
    step = max(1, int((image.shape[-1] * image.shape[-2] / _JUDGED) ** 0.5))
    values = luma(image[..., ::step, ::step].float()).flatten().sort().values
    last = len(values) - 1
    return Fading(float(values[round(_SHARE * last)]), float(values[round((1 - _SHARE) * last)]))

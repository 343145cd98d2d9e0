"""White balance: estimate a colour cast on the whole picture and remove it.

Use it only on whole pictures: in the crop of a face, skin would be mistaken for a cast.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1. A cast is described by the colour it gives a middle grey
(L* = 50) in CIELAB: a* towards red or green, b* towards yellow or blue, and its length in Delta E (CIE 1976).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..checks import require_finite_images
from ..choices import WhiteBalance
from ..pixels.colorspace import lab_to_linear, linear_to_lab, linear_to_srgb, luminance, srgb_to_linear
from ..pixels.tone import is_monochrome
from ..progress import Steps, each, no_steps, steps_within

# Pixels count if all their channels are between these (sRGB-encoded): clipped ones have lost their colour, dark ones
# have more noise than colour. (Finlayson and Trezzi also exclude saturated pixels.)
_DARK, _CLIPPED = 0.06, 0.97
# Minimum share of such pixels for an estimate.
_LEAST_SHARE = 0.01
# Approximate longer side of the reduced picture for the estimate; noise averages out.
_JUDGED_SIDE = 512
# Casts below this Delta E are ignored: they are invisible, and photographs of grey cards have as much.
_UNSEEN = 1.0
# Maximum correction in Delta E.
_MOST_SHIFT = 20.0
# The exponent of shades of grey.
_NORM = 6
# Whites clipped in all channels are white in any light, so the correction fades out from here to 1.
_WHITES = 0.95
# Below this L* the shift in a* and b* fades out, so that black does not become coloured.
_BLACKS = 20.0
# Pixels processed at a time.
_STRIP_PIXELS = 2_000_000


@dataclass(frozen=True)
class Cast:
    """The colour cast of one picture, and how much of it was removed.

    Attributes:
        a, b: the colour of a middle grey (L* = 50) under the cast, in CIELAB.
        removed: share of the cast that was removed, 0..1.
        gains: factors of red, green and blue in linear light that remove this share from a middle grey.
        monochrome: whether the picture is black and white or toned, so that its colour is not a cast.
        judged: share of the pixels used for the estimate, neither clipped nor dark.
    """

    a: float
    b: float
    removed: float
    gains: tuple[float, float, float]
    monochrome: bool
    judged: float

    @property
    def size(self) -> float:
        """Length of the cast in Delta E (CIE 1976); 1 is just visible, 10 is obvious."""
        return math.hypot(self.a, self.b)


@torch.no_grad()
def shades_of_grey(images: torch.Tensor, *, progress: Steps = no_steps) -> tuple[torch.Tensor, tuple[Cast, ...]]:
    """Remove the cast found by the shades-of-grey method, with gains in linear light.

    1. Reduce each picture in linear light, without clipped and dark pixels.
    2. The colour of the light is the p-norm of each channel (Finlayson and Trezzi, "Shades of Gray and Colour
       Constancy", CIC 2004, who find p = 6 best; 1 is grey world, a large one white patch).
    3. Divide out the cast (von Kries), limited to 20 Delta E for a middle grey, since a picture full of one colour
       looks like a cast. The mean luminance is kept; whites clipped in all channels stay white.

    Args:
        images: B x 3 x H x W in 0..1, whole pictures; each is judged on its own.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1, and a `Cast` for each picture. Black-and-white and toned pictures and those without a
        visible cast stay the same, bit for bit; if that is all of them, the tensor `images` itself is returned.

    Raises:
        ImageError: the images have another shape or hold NaN or infinity.
    """

    def estimate(linear: torch.Tensor, weight: torch.Tensor) -> tuple[float, float]:
        norm = ((linear**_NORM * weight).sum(dim=(2, 3)) / weight.sum()) ** (1 / _NORM)
        light = norm.view(1, 3, 1, 1)
        # The same light at the brightness of L* = 50.
        _, a, b = linear_to_lab(light * (_middle_grey() / luminance(light)))[0, :, 0, 0].tolist()
        return a, b

    return _balance(images, estimate, _by_gains, progress)


@torch.no_grad()
def lab_balance(images: torch.Tensor, *, progress: Steps = no_steps) -> tuple[torch.Tensor, tuple[Cast, ...]]:
    """Remove the cast of the median colour of a picture with a shift in CIELAB.

    The medians of a* and b* are moved towards 0 by at most 20 Delta E, and L* is kept. All in floating point: 8-bit
    CIELAB, as OpenCV stores it, has a* and b* offset by 128 and rounded to whole numbers. The shift fades out towards
    black and clipped white, which have no colour.

    Args:
        images: B x 3 x H x W in 0..1, whole pictures; each is judged on its own.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        As `shades_of_grey`.

    Raises:
        ImageError: the images have another shape or hold NaN or infinity.
    """

    def estimate(linear: torch.Tensor, weight: torch.Tensor) -> tuple[float, float]:
        _, a, b = linear_to_lab(linear)[0][:, weight[0, 0] > 0.5].median(dim=1).values.tolist()
        return a, b

    return _balance(images, estimate, _by_shift, progress)


@torch.no_grad()
def remove_cast(image: torch.Tensor, cast: Cast, method: WhiteBalance | str) -> torch.Tensor:
    """Remove a known cast from one picture.

    Args:
        image: 1 x 3 x H x W in 0..1.
        cast: such as the mean of those of a shot.
        method: `shades_of_grey` or `lab`.
    """
    remove = _by_gains if method == "shades_of_grey" else _by_shift
    rows = max(1, _STRIP_PIXELS // image.shape[-1])
    return torch.cat([_without_cast(strip, cast, remove) for strip in image.split(rows, dim=2)], dim=2)


def _by_gains(linear: torch.Tensor, cast: Cast) -> torch.Tensor:
    return linear * linear.new_tensor(cast.gains).view(1, 3, 1, 1)


def _by_shift(linear: torch.Tensor, cast: Cast) -> torch.Tensor:
    lab = linear_to_lab(linear)
    shift = cast.removed * lab.new_tensor([0, cast.a, cast.b]).view(1, 3, 1, 1)
    return lab_to_linear(lab - shift * (lab[:, :1] / _BLACKS).clamp(0, 1))


def _balance(
    images: torch.Tensor,
    estimate: Callable[[torch.Tensor, torch.Tensor], tuple[float, float]],
    remove: Callable[[torch.Tensor, Cast], torch.Tensor],
    progress: Steps,
) -> tuple[torch.Tensor, tuple[Cast, ...]]:
    require_finite_images(images)
    finding, removing = steps_within(progress, 0, 1, 2), steps_within(progress, 1, 2, 2)
    casts = tuple(_find_cast(image[None], estimate, steps) for image, steps in each(list(images), finding))
    if not any(cast.removed for cast in casts):
        return images, casts
    result = images.clone()
    for (image, cast), steps in each(list(zip(result, casts, strict=True)), removing):
        if cast.removed:
            for strip, _ in each(image.split(max(1, _STRIP_PIXELS // image.shape[-1]), dim=1), steps):
                strip.copy_(_without_cast(strip[None], cast, remove)[0])
    return result, casts


def _find_cast(
    image: torch.Tensor, estimate: Callable[[torch.Tensor, torch.Tensor], tuple[float, float]], progress: Steps
) -> Cast:
    linear, weight = _judged_pixels(image, progress)
    judged, neutral = float(weight.mean()), (1.0, 1.0, 1.0)
    if is_monochrome(image):
        return Cast(0.0, 0.0, 0.0, neutral, True, judged)
    if judged < _LEAST_SHARE or not (weight > 0.5).any():
        return Cast(0.0, 0.0, 0.0, neutral, False, judged)
    a, b = estimate(linear, weight)
    size = math.hypot(a, b)
    removed = min(1.0, _MOST_SHIFT / size) if size >= _UNSEEN else 0.0
    return Cast(a, b, removed, _gains(linear, weight, removed * a, removed * b), False, judged)


def _judged_pixels(image: torch.Tensor, progress: Steps) -> tuple[torch.Tensor, torch.Tensor]:
    """Linear light averaged over square blocks, 1 x 3 x h x w, and the share of valid pixels, 1 x 1 x h x w."""
    block = max(1, round(max(image.shape[-2:]) / _JUDGED_SIDE))
    rows = max(1, _STRIP_PIXELS // image.shape[-1] // block) * block
    sums, weights = [], []
    for strip, _ in each(image.split(rows, dim=2), progress):
        counts = ((strip > _DARK) & (strip < _CLIPPED)).all(dim=1, keepdim=True).to(strip)
        sums.append(F.avg_pool2d(srgb_to_linear(strip) * counts, block, ceil_mode=True))
        weights.append(F.avg_pool2d(counts, block, ceil_mode=True))
    # Double precision from here on, since high powers follow and the data is small.
    weight = torch.cat(weights, dim=2).cpu().double()
    return torch.cat(sums, dim=2).cpu().double() / weight.clamp_min(1e-6), weight


def _middle_grey() -> float:
    """Luminance of L* = 50."""
    return ((50 + 16) / 116) ** 3


def _gains(linear: torch.Tensor, weight: torch.Tensor, a: float, b: float) -> tuple[float, float, float]:
    """Factors that make a middle grey of this colour neutral and keep the mean luminance of the judged pixels."""
    color = lab_to_linear(torch.tensor([50.0, a, b], dtype=linear.dtype).view(1, 3, 1, 1)).clamp_min(1e-3)
    mean = (linear * weight).sum(dim=(2, 3), keepdim=True)
    gains = luminance(mean) / luminance(mean / color) / color
    red, green, blue = gains.flatten().tolist()
    return red, green, blue


def _without_cast(
    strip: torch.Tensor, cast: Cast, remove: Callable[[torch.Tensor, Cast], torch.Tensor]
) -> torch.Tensor:
    balanced = linear_to_srgb(remove(srgb_to_linear(strip), cast)).clamp(0, 1)
    whiteness = ((strip.amin(dim=1, keepdim=True) - _WHITES) / (1 - _WHITES)).clamp(0, 1)
    return torch.lerp(balanced, strip, whiteness)

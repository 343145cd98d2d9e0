"""The last touch: a light softening of the whole picture, and grain to match a reference.

Images are float RGB, B x 3 x H x W in 0..1; nothing is rounded to 8 bits on the way.
"""

from __future__ import annotations

import math

import torch

from ..checks import require_between, require_finite_images
from ..errors import ImageError
from ..pixels.grain import missing_grain

# Pixels blurred at a time: about what the processor's cache holds.
_STRIP_PIXELS = 250_000


@torch.no_grad()
def finish(
    images: torch.Tensor, sigma: float = 0.6, mix: float = 0.2, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Blend a picture with its Gaussian blur: `(1 - mix) x + mix G(x)`.

    Source: the blog article that the help page of GPENPreset names has sigma 0.3 blended 0.8 : 0.2 (preset `article`).
    That is almost invisible: the Gaussian, sampled at whole pixels as OpenCV and SciPy have it, leaves 98.5 % of its
    weight on the center, so nothing changes by more than 0.8/255. With sigma 0.6 a single bright pixel loses 11 %, and
    with 0.8 15 %.

    Args:
        images: B x 3 x H x W in 0..1.
        sigma: standard deviation of the Gaussian in pixels, 0..8.
        mix: share of the blurred picture, 0..1.
        mask: B x 1 x H x W in 0..1, or None for the whole picture; where it is 0 every bit stays.

    Returns:
        B x 3 x H x W; the very tensor `images` where sigma or mix is 0, or sigma so small that the kernel is one pixel.
        Grey stays grey to the bit.

    Raises:
        ImageError: the images have another shape or hold NaN or infinity, or the mask does not fit them.
        SettingsError: a setting is out of range.
    """
    require_finite_images(images)
    require_between("sigma", sigma, 0, 8)
    require_between("mix", mix, 0, 1)
    _require_mask(mask, images)
    kernel = _gaussian(sigma)
    if mix == 0 or len(kernel) == 1:
        return images
    kernel = kernel.to(images)
    result = torch.empty_like(images)
    for image, out in zip(images, result, strict=True):
        _blend_with_blur(image, kernel, mix, out)
    if mask is None:
        return result
    cover = mask.to(images).clamp(0, 1)
    return torch.where(cover > 0, images + cover * (result - images), images)


def _require_mask(mask: torch.Tensor | None, images: torch.Tensor) -> None:
    if mask is not None and mask.shape != (len(images), 1, *images.shape[2:]):
        raise ImageError(f"The mask is {tuple(mask.shape)}, and must be {(len(images), 1, *images.shape[2:])}.")


def _gaussian(sigma: float) -> torch.Tensor:
    """The normalised kernel, without weights that single precision would lose."""
    if sigma == 0:
        return torch.ones(1)
    reach = math.ceil(4 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).double() / sigma) ** 2)
    weights = weights[weights > 1e-8]
    return weights / weights.sum()


def _blend_with_blur(image: torch.Tensor, kernel: torch.Tensor, mix: float, out: torch.Tensor) -> None:
    """3 x H x W into `out`, a strip of rows at a time; borders are mirrored about the edge of the border pixels."""
    _, height, width = image.shape
    reach = len(kernel) // 2
    columns = _mirrored(torch.arange(-reach, width + reach), width).to(image.device)
    step = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        rows = _mirrored(torch.arange(top - reach, bottom + reach), height).to(image.device)
        blurred = _correlate(_correlate(image[:, rows], kernel, dim=1)[..., columns], kernel, dim=2)
        out[:, top:bottom] = (1 - mix) * image[:, top:bottom] + mix * blurred


def _correlate(planes: torch.Tensor, kernel: torch.Tensor, dim: int) -> torch.Tensor:
    """3 x H x W with a kernel along one dimension, without borders; one tap after another, so that the rounding is the
    same for every channel."""
    length = planes.shape[dim] - len(kernel) + 1
    total = kernel[0] * planes.narrow(dim, 0, length)
    for offset, weight in enumerate(kernel[1:], start=1):
        total.add_(planes.narrow(dim, offset, length) * weight)
    return total


def _mirrored(index: torch.Tensor, length: int) -> torch.Tensor:
    index = index % (2 * length)
    return torch.where(index < length, index, 2 * length - 1 - index)


@torch.no_grad()
def match_grain(
    images: torch.Tensor,
    reference: torch.Tensor,
    amount: float = 1.0,
    mask: torch.Tensor | None = None,
    seed: int = 0,
) -> torch.Tensor:
    """Give pictures the grain that a reference has and they lack, as `missing_grain` measures it.

    Beyond the result, it needs about twice the memory of one picture.

    Args:
        images: B x 3 x H x W in 0..1, smoother than they should be.
        reference: the same shape; the photographs they were made from.
        amount: 0..1, share of the missing grain.
        mask: B x 1 x H x W in 0..1, or None for the whole picture. Grain is judged where it is above a half and laid
            on in its measure; where it is 0 every bit stays.
        seed: equal seeds give equal grain; picture n of the batch has `seed + n`.

    Returns:
        B x 3 x H x W in 0..1; the very tensor `images` where the amount is 0.

    Raises:
        ImageError: the shapes do not fit, or pixels are NaN or infinite.
        SettingsError: the amount is out of range.
    """
    require_finite_images(images)
    require_finite_images(reference, "Reference images")
    require_between("amount", amount, 0, 1)
    if reference.shape != images.shape:
        raise ImageError(
            f"The reference is {tuple(reference.shape)}, and must be {tuple(images.shape)} as the images; resize it."
        )
    _require_mask(mask, images)
    if amount == 0:
        return images
    cover = images.new_ones(1).expand_as(images[:, :1]) if mask is None else mask.to(images).clamp(0, 1)
    result = torch.empty_like(images)
    for n, (image, photograph, part) in enumerate(zip(images, reference.to(images), cover, strict=True)):
        grain = missing_grain(photograph[None], image[None], part[None], seed + n)[0]
        grainy = grain.mul_(amount * part).add_(image).clamp_(0, 1)
        torch.where(part > 0, grainy, image, out=result[n])
    return result

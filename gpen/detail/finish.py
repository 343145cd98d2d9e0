"""Last step: a light blur of the whole picture, and grain to match a reference.

Images are float RGB, B x 3 x H x W in 0..1; nothing is rounded to 8 bits.
"""

from __future__ import annotations

import torch

from ..checks import require_between, require_finite_images
from ..errors import ImageError
from ..pixels.filters import gaussian_blur, kernel_reach, mirrored_index, row_strips
from ..pixels.grain import missing_grain
from ..progress import Steps, each, no_steps, steps_within

# Pixels blurred at a time; about the size of the processor's cache.
_STRIP_PIXELS = 250_000


@torch.no_grad()
def finish(
    images: torch.Tensor,
    sigma: float = 0.6,
    mix: float = 0.2,
    mask: torch.Tensor | None = None,
    *,
    progress: Steps = no_steps,
) -> torch.Tensor:
    """Blend a picture with its Gaussian blur: `(1 - mix) x + mix G(x)`.

    Source: the blog article that the help page of GPENPreset names has sigma 0.3 blended 0.8 : 0.2 (preset `article`).
    That is almost invisible: the Gaussian, sampled at whole pixels as in OpenCV and SciPy, has 98.5 % of its weight in
    the centre, so nothing changes by more than 0.8/255. With sigma 0.6 a single bright pixel loses 11 %, and with 0.8
    15 %.

    Args:
        images: B x 3 x H x W in 0..1.
        sigma: standard deviation of the Gaussian in pixels, 0..8.
        mix: share of the blurred picture, 0..1.
        mask: B x 1 x H x W in 0..1, or None for the whole picture; pixels with mask 0 stay the same, bit for bit.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W; the tensor `images` itself if sigma or mix is 0, or if sigma is so small that the kernel has one
        pixel. Grey stays exactly grey.

    Raises:
        ImageError: the images have another shape or hold NaN or infinity, or the mask does not fit them.
        SettingsError: a setting is out of range.
    """
    require_finite_images(images)
    require_between("sigma", sigma, 0, 8)
    require_between("mix", mix, 0, 1)
    _require_mask(mask, images)
    reach = kernel_reach(sigma)
    if mix == 0 or reach == 0:
        return images
    result = torch.empty_like(images)
    height, width = images.shape[-2:]
    pairs = zip(images.split(1), result.split(1), strict=True)
    for n, ((image, out), steps) in enumerate(each(list(pairs), progress)):
        for rows in row_strips(height, width, _STRIP_PIXELS):
            steps(rows.start, height)
            seen = mirrored_index(torch.arange(rows.start - reach, rows.stop + reach, device=image.device), height)
            # Channel differences of grey are 0 regardless of rounding, so grey stays grey.
            red, others = image[:, :, seen].split((1, 2), dim=1)
            blurred = gaussian_blur(torch.cat([red, others - red], dim=1), sigma)[:, :, reach:-reach]
            blurred[:, 1:] += blurred[:, :1]
            own = image[:, :, rows]
            softened = blurred.mul_(mix).add_((1 - mix) * own)
            if mask is not None:
                cover = mask[n : n + 1, :, rows].to(images).clamp(0, 1)
                softened = torch.where(cover > 0, own + cover * (softened - own), own)
            out[:, :, rows] = softened
    return result


@torch.no_grad()
def finish_with_grain(
    images: torch.Tensor,
    sigma: float = 0.6,
    mix: float = 0.2,
    mask: torch.Tensor | None = None,
    *,
    reference: torch.Tensor | None = None,
    grain: float = 1.0,
    progress: Steps = no_steps,
) -> torch.Tensor:
    """`finish`, then `match_grain` if a reference is given, one image after another.

    Args:
        images, sigma, mix, mask: as for `finish`.
        reference, grain: as `reference` and `amount` of `match_grain`.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1; the tensor `images` itself if nothing changed. Besides it, memory depends only on the
        size of one image.

    Raises:
        ImageError: the shapes do not fit, or pixels are NaN or infinite.
        SettingsError: a setting is out of range.
    """
    _require_mask(mask, images)
    _require_reference(reference, images)
    result = images
    for n, steps in each(range(len(images)), progress):
        one = slice(n, n + 1)
        given, own = images[one], None if mask is None else mask[one]
        done = finish(given, sigma, mix, own, progress=steps_within(steps, 0, 1, 4))
        if reference is not None:
            done = match_grain(done, reference[one], grain, own, first=n, progress=steps_within(steps, 1, 4, 4))
        if done is not given:
            result = images.clone() if result is images else result
            result[one] = done
    return result


def _require_reference(reference: torch.Tensor | None, images: torch.Tensor) -> None:
    if reference is not None and reference.shape != images.shape:
        raise ImageError(
            f"The reference is {tuple(reference.shape)}, and must be {tuple(images.shape)} as the images; resize it."
        )


def _require_mask(mask: torch.Tensor | None, images: torch.Tensor) -> None:
    if mask is not None and mask.shape != (len(images), 1, *images.shape[2:]):
        raise ImageError(f"The mask is {tuple(mask.shape)}, and must be {(len(images), 1, *images.shape[2:])}.")


@torch.no_grad()
def match_grain(
    images: torch.Tensor,
    reference: torch.Tensor,
    amount: float = 1.0,
    mask: torch.Tensor | None = None,
    *,
    first: int = 0,
    progress: Steps = no_steps,
) -> torch.Tensor:
    """Add to pictures the grain that they lack compared with a reference, as measured by `missing_grain`.

    The same arguments give the same grain; each picture of a batch has different grain. Besides the result, it needs
    about twice the memory of one picture.

    Args:
        images: B x 3 x H x W in 0..1, smoother than the reference.
        reference: the original photographs, of the same shape.
        amount: 0..1, share of the missing grain.
        mask: B x 1 x H x W in 0..1, or None for the whole picture. Grain is measured where it is above 0.5 and added in
            proportion to it; pixels with mask 0 stay the same, bit for bit.
        first: number of the first picture in its batch; each number has grain of its own.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1; the tensor `images` itself if the amount is 0.

    Raises:
        ImageError: the shapes do not fit, or pixels are NaN or infinite.
        SettingsError: the amount is out of range.
    """
    require_finite_images(images)
    require_finite_images(reference, "Reference images")
    require_between("amount", amount, 0, 1)
    _require_reference(reference, images)
    _require_mask(mask, images)
    if amount == 0:
        return images
    cover = images.new_ones(1).expand_as(images[:, :1]) if mask is None else mask
    result = torch.empty_like(images)
    triples = zip(images, reference, cover, strict=True)
    for n, ((image, photograph, part), steps) in enumerate(each(list(triples), progress)):
        photograph, part = photograph.to(images), part.to(images).clamp(0, 1)
        grain = missing_grain(photograph[None], image[None], part[None], first + n, progress=steps)[0]
        grainy = grain.mul_(amount * part).add_(image).clamp_(0, 1)
        torch.where(part > 0, grainy, image, out=result[n])
    return result

"""Convert numpy arrays and PIL images to tensors, and results back to the type of the input."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import ImageError
from ..pixels.color import luma
from ..pixels.resize import resize
from ..types import Size
from .modes import has_alpha, image_into, plain_image
from .samples import bands, check_images, integer_array, is_grey, quantize, scale_into, to_planes

# Resampling may overshoot by a little; a larger excess means another range, such as 0..255.
_OVERSHOOT = 0.01


def from_array(image: Any) -> torch.Tensor:
    """Convert an array or PIL image to a tensor.

    Args:
        image: an array H x W x 3 (RGB), H x W or H x W x 1 (grey), or H x W x 4 (RGBA); uint8 over 0..255,
            uint16 over 0..65535, or float over 0..1 (an overshoot below 0.01 is clipped). Or a PIL image of any mode
            that picture files have; its EXIF orientation is ignored. Alpha is dropped: `to_array` takes it from the
            original.

    Returns:
        1 x 3 x H x W float32 in 0..1. A grey image is repeated in all three channels.

    Raises:
        ImageError: unsupported shape, type or range, NaN, or no pixels.
    """
    if isinstance(image, Image.Image):
        plain, _ = plain_image(image)
        planes = np.empty((3, plain.height, plain.width), np.float32)
        alpha = np.empty_like(planes[:1]) if has_alpha(plain) else None
        image_into(plain, planes, alpha)
        return torch.from_numpy(planes)[None]
    samples = _checked(image)
    color = samples[..., :3]
    planes = np.empty((3, *samples.shape[:2]), np.float32)
    for rows in bands(*samples.shape[:2]):
        if samples.dtype.kind == "f":
            np.clip(color[rows].transpose(2, 0, 1), 0, 1, out=planes[:, rows], casting="unsafe")
        else:
            scale_into(planes[:, rows], None, color[rows])
    return torch.from_numpy(planes)[None]


def to_array(pixels: torch.Tensor, like: Any) -> Any:
    """Convert a result to the type of `like`: an array with its channels and dtype, or a PIL image.

    Integers are rounded to the nearest; `to_array(from_array(x), x)` is x for uint8 and uint16. If `like` is grey, so
    is the result: one channel if all three are equal, otherwise their luma (BT.709). Alpha comes from `like`. A PIL
    image is returned as L, LA, RGB, RGBA or I;16, whichever is nearest to its mode.

    Args:
        pixels: 1 x 3 x H x W in 0..1.
        like: the input of `from_array`, of the same height and width, or of a whole part of both. Then its alpha is
            enlarged (bicubic).

    Raises:
        ImageError: the sizes do not fit, or the result holds NaN.
    """
    check_images(pixels)
    if isinstance(like, Image.Image):
        return _to_pil(pixels, like)
    like = _checked(like, keep_shape=True)
    height, width = pixels.shape[-2:]
    _require_multiple((height, width), (like.shape[0], like.shape[1]))
    channels = 1 if like.ndim == 2 else like.shape[2]
    if channels == 1:
        grey = _grey(pixels)
        result = grey.astype(like.dtype) if like.dtype.kind == "f" else quantize(grey, like.dtype)
    elif like.dtype.kind == "f":
        result = to_planes(pixels).transpose(1, 2, 0).astype(like.dtype)
    else:
        result = integer_array(pixels, like.dtype)
    if channels == 4:
        result = np.concatenate([result, _enlarged(like[..., 3], (height, width))[..., None]], axis=2)
    return result.reshape(height, width, *like.shape[2:])


def _require_multiple(size: Size, own: Size) -> None:
    if size[0] // own[0] < 1 or size != tuple(size[0] // own[0] * side for side in own):
        raise ImageError(f"The result has {size} pixels, the original {own}.")


def _enlarged(plane: np.ndarray, size: Size) -> np.ndarray:
    """H x W as size, in the same dtype."""
    if plane.shape == size:
        return plane
    whole = np.iinfo(plane.dtype).max if plane.dtype.kind == "u" else 1
    made = resize(torch.from_numpy(plane.astype(np.float32) / whole)[None, None], size).clamp_(0, 1)[0, 0].numpy()
    return made.astype(plane.dtype) if whole == 1 else quantize(made, plane.dtype)


def _checked(image: Any, keep_shape: bool = False) -> np.ndarray:
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        raise ImageError(f"An image must be an H x W x 3 array, a PIL image or a path, not {kind}.")
    samples = image[..., None] if image.ndim == 2 else image
    if samples.ndim != 3 or samples.shape[2] not in (1, 3, 4) or not samples.size:
        hint = "; move the channels to the end" if image.ndim == 3 and image.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"An image array must be H x W x 3, H x W x 4 or H x W, not {image.shape}{hint}.")
    if samples.dtype.kind == "f":
        low, high = float(samples.min()), float(samples.max())
        if not np.isfinite([low, high]).all():
            raise ImageError("The image holds NaN or infinite values; replace them first.")
        if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
            raise ImageError(f"A float image must lie in 0..1, not {low:g}..{high:g}; rescale it.")
    elif samples.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"An image array must be uint8, uint16 or float, not {samples.dtype}; convert it.")
    return image if keep_shape else samples


def _grey(pixels: torch.Tensor) -> np.ndarray:
    """1 x 3 x H x W as H x W: one channel if the three agree within half an 8-bit step, otherwise their luma."""
    planes = to_planes(pixels)
    return planes[0] if is_grey(planes, 0.5 / 255) else to_planes(luma(pixels))[0]


def _to_pil(pixels: torch.Tensor, like: Image.Image) -> Image.Image:
    size = pixels.shape[2], pixels.shape[3]
    _require_multiple(size, (like.height, like.width))
    plain, _ = plain_image(like)
    dtype = np.dtype(np.uint16 if plain.mode == "I;16" else np.uint8)
    is_color = plain.mode.startswith("RGB")
    samples = integer_array(pixels, dtype) if is_color else quantize(_grey(pixels), dtype)
    result = Image.fromarray(samples)
    if has_alpha(plain):
        result.putalpha(Image.fromarray(_enlarged(np.asarray(plain.getchannel("A")), size)))
    return result

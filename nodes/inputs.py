"""Checks of what is connected to a block, before the engine sees it, in the words of ComfyUI.

A message names the input as the block does, gives number, width and height of its pictures, and says what mends it: a
wrong size is mended by resizing, a wrong number or another picture only by another wire. The engine checks its
arguments as well, but in its own terms, shapes of tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..gpen.checks import all_finite
from ..gpen.enlarging import whole_factor
from ..gpen.errors import GPENError, ImageError
from ..gpen.faces.select import parse_indices
from ..gpen.images import area_of
from ..gpen.types import Alignment, Faces
from ..gpen.wording import count

_MEND = "correct the block that it comes from"
# What resizes pictures (B x 3 x H x W) and masks (B x H x W) in ComfyUI.
_RESIZER = {4: "Upscale Image", 3: "Convert Mask to Image, Upscale Image and Convert Image to Mask"}


def refusal(name: str, held: torch.Tensor, needed: str, advice: str) -> ImageError:
    """The error for an input that does not fit, such as `crops holds 3 pictures of 640 x 480, but ...; connect ...`.

    Args:
        name: name of the input, as in the block.
        held: its pictures, B x C x H x W, or its masks, B x H x W.
        needed: what is needed instead, after `but`.
        advice: what the user can do.
    """
    return ImageError(f"{name} holds {_pictures(len(held), held.shape[-2:])}, but {needed}; {advice}.")


def _pictures(number: int, size: tuple[int, ...]) -> str:
    """A batch in words, width before height; `size` is (height, width)."""
    return f"{count(number, 'picture')} of {size[1]} x {size[0]}"


def require_image(name: str, image: torch.Tensor) -> None:
    """Check that an input holds an IMAGE with finite values.

    Args:
        name: name of the input.
        image: B x H x W x C of floating point, C of 1, 3 or 4.

    Raises:
        ImageError: it is no IMAGE, has no pixels, or holds NaN or infinity.
    """
    if image.ndim != 4:
        axes = count(image.ndim, "axis", "axes")
        raise ImageError(f"{name} holds no batch of pictures but a tensor of {axes}; {_MEND}.")
    planes, channels = image[..., 0], image.shape[-1]
    if channels not in (1, 3, 4) or not image.is_floating_point():
        kind = f"{count(channels, 'channel')} of {str(image.dtype).removeprefix('torch.')}"
        needed = f"they have {kind}, and 1, 3 or 4 channels of floating point are needed"
        raise refusal(name, planes, needed, _MEND)
    if not len(image):
        raise refusal(name, planes, "at least one picture is needed", _MEND)
    if not image.numel():
        raise refusal(name, planes, "at least one pixel is needed", _MEND)
    if not all_finite(image):
        raise refusal(name, planes, "some pixels are NaN or infinity", _MEND)


def require_square(name: str, crops: torch.Tensor) -> None:
    """Check that crops, B x 3 x H x W, are square, as every crop of a face is; raises ImageError."""
    if crops.shape[-2] != crops.shape[-1]:
        advice = "connect the crops of GPEN Align Faces, or use GPEN Face Restore for whole pictures"
        raise refusal(name, crops, "crops of faces are square", advice)


def require_fit(
    name: str, held: torch.Tensor, other: str, pictures: torch.Tensor, *, one_for_all: bool = False, size: bool = True
) -> None:
    """Check that the pictures of two inputs can be combined one by one.

    Args:
        name, held: the input to check, and its pictures or masks, B x ... x H x W.
        other, pictures: the input it must fit, and its pictures.
        one_for_all: one picture serves any number.
        size: also compare width and height.

    Raises:
        ImageError: number or size differ.
    """
    number, wanted = len(pictures), pictures.shape[-2:]
    advice = []
    if len(held) != number and not (one_for_all and len(held) == 1):
        advice.append(f"connect {count(number, 'picture')}" + (", or one for all" if one_for_all else ""))
    if size and held.shape[-2:] != wanted:
        advice.append(f"resize {name} to {wanted[1]} x {wanted[0]}, such as with {_RESIZER[held.ndim]}")
    if advice:
        needed = f"{other} holds {_pictures(number, wanted) if size else count(number, 'picture')}"
        raise refusal(name, held, needed, " and ".join(advice))


def require_area(
    only_here: torch.Tensor | None, not_here: torch.Tensor | None, images: torch.Tensor
) -> torch.Tensor | None:
    """The area of images that may change, as for `area_of`, from MASKs.

    Args:
        only_here, not_here: a mask for each image, or one for all.
        images: B x 3 x H x W.

    Returns:
        B x 1 x H x W or 1 x 1 x H x W; None if everything may change.

    Raises:
        ImageError: a mask is none, or is for images of another number or size.
    """
    given: list[torch.Tensor | None] = []
    for name, mask in (("only_here", only_here), ("not_here", not_here)):
        if mask is not None:
            mask = mask.reshape(-1, *mask.shape[-2:])
            require_image(name, mask[..., None])
            require_fit(name, mask, "image", images, one_for_all=True)
            mask = mask[:, None].clamp(0, 1).to(images)
        given.append(mask)
    only, out = given
    return area_of(only, out, (images.shape[-2], images.shape[-1]))


def require_background(background: torch.Tensor, images: torch.Tensor, name: str = "background") -> None:
    """Check that enlarged pictures, B x 3 x H x W, are as many as the images, and a whole multiple of their size.

    Raises:
        ImageError: they are not.
    """
    height, width = images.shape[-2:]
    if len(background) != len(images):
        needed = f"image holds {_pictures(len(images), (height, width))}"
        raise refusal(name, background, needed, f"connect to {name} the same pictures, enlarged")
    if whole_factor(background, images) is None:
        needed = f"a whole multiple of {width} x {height} is needed, the size of image"
        advice = (
            f"enlarge image with Upscale Image By or Upscale Image (using Model), to such as {2 * width} x {2 * height}"
        )
        raise refusal(name, background, needed, advice)


def fault_of(check: Callable[..., Any], value: Any, *more: Any) -> str | None:
    """The sentence of the GPENError that `check(value, *more)` raises, for the `validate_inputs` of blocks.

    None if it raises none, or if the value comes from another block and is not known yet (None). ComfyUI does not
    compare an input that is checked there with its menu, whose refusal would not say what to do.
    """
    try:
        if value is not None:
            check(value, *more)
    except GPENError as error:
        return str(error)
    return None


def fault_of_indices(indices: str | None) -> str | None:
    """Why a list of face numbers cannot be read, see `fault_of`."""
    return fault_of(parse_indices, indices)


def require_images_of(faces: Faces, images: torch.Tensor, name: str = "image") -> None:
    """Check that pictures, B x 3 x H x W, are those in which faces were found; raises ImageError."""
    own = tuple(images.shape[-2:])
    if len(faces.sizes) != len(images) or set(faces.sizes) != {own}:
        size = next((size for size in faces.sizes if size != own), own)
        needed = f"the faces were found in {_pictures(len(faces.sizes), size)}"
        raise refusal(name, images, needed, f"connect to {name} the pictures in which the faces were found")


def require_crops_of(alignment: tuple[Alignment, ...], crops: torch.Tensor, name: str = "crops") -> None:
    """Check that crops, B x 3 x H x W, are square, and as many as their alignment tells of; raises ImageError."""
    require_square(name, crops)
    if len(crops) != len(alignment):
        advice = "connect all crops that GPEN Align Faces cut, in their order, and the alignment that it gave with them"
        raise refusal(name, crops, f"alignment belongs to {count(len(alignment), 'crop')}", advice)


def require_images_of_crops(alignment: tuple[Alignment, ...], images: torch.Tensor, name: str = "image") -> None:
    """Check that pictures, B x 3 x H x W, are those from which crops were cut; raises ImageError."""
    for one in alignment:
        if one.image_index >= len(images) or one.image_size != tuple(images.shape[-2:]):
            number = max(other.image_index for other in alignment) + 1
            needed = f"the crops were cut from {'at least ' * (number > 1)}{_pictures(number, one.image_size)}"
            raise refusal(name, images, needed, f"connect to {name} the pictures from which the crops were cut")

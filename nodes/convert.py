"""Convert ComfyUI's tensors to the engine's and back, without arithmetic on pixels.

Convention: an IMAGE is B x H x W x C in 0..1 with C of 1, 3 or 4 (the fourth is alpha), a MASK is B x H x W in 0..1.
The engine's images are float32 RGB, B x 3 x H x W in 0..1.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import torch

from ..gpen.types import Faces
from .inputs import require_fit, require_image

_NUMBERS = re.compile(r"\[[-+.\w\s,]*\]")


def to_images(image: torch.Tensor, name: str = "image") -> torch.Tensor:
    """The colours of an IMAGE, B x 3 x H x W float32; a view if nothing has to be converted.

    Args:
        image: B x H x W x C.
        name: name of the input, for messages.

    Raises:
        ImageError: it is not an IMAGE, is empty, or holds NaN or infinity.
    """
    require_image(name, image)
    channels_first = image.movedim(-1, 1)
    rgb = channels_first.expand(-1, 3, -1, -1) if image.shape[-1] == 1 else channels_first[:, :3]
    return rgb.float()


def to_image(images: torch.Tensor) -> torch.Tensor:
    """B x 3 x H x W as an IMAGE."""
    return images.movedim(1, -1).contiguous()


def with_colours(image: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """An IMAGE with other colours and the same alpha, in float32, since core's own nodes save nothing else.

    Args:
        image: B x H x W x C.
        before: result of `to_images`.
        after: result of the engine, B x 3 x H x W.

    Returns:
        B x H x W x C (three channels instead of one); the tensor `image` itself if `after` is `before` and it is in
        float32.
    """
    if after is before:
        return image.float()
    colours = to_image(after).float()
    return torch.cat([colours, image[..., 3:].float()], dim=-1) if image.shape[-1] == 4 else colours


def to_crops(crops: torch.Tensor, size: int) -> torch.Tensor:
    """Crops as an IMAGE; a single black crop of this side if there is no face.

    Most nodes of ComfyUI fail on an empty batch, and any node may be used between aligning and pasting. The list of
    alignments is then empty, so the black crop is not pasted.
    """
    return to_image(crops if len(crops) else crops.new_zeros((1, 3, size, size)))


def to_mask(masks: torch.Tensor) -> torch.Tensor:
    """B x 1 x H x W as a MASK."""
    return masks[:, 0]


def from_mask(mask: torch.Tensor, images: torch.Tensor, name: str = "mask", other: str = "image") -> torch.Tensor:
    """A MASK as B x 1 x H x W for B x 3 x H x W images; a single mask is used for the whole batch.

    Args:
        mask: B x H x W or H x W.
        images: the images of the input `other`.
        name, other: names of the inputs, for messages.

    Raises:
        ImageError: its number or size is another, or it holds NaN or infinity.
    """
    planes = mask.reshape(-1, *mask.shape[-2:])
    require_fit(name, planes, other, images, one_for_all=True)
    values = planes.float()
    require_image(name, values[..., None])
    return values[:, None].expand(len(images), -1, -1, -1)


def box_mask(faces: Faces, image: torch.Tensor) -> torch.Tensor:
    """A MASK of an IMAGE, 1 within the boxes of faces and 0 elsewhere."""
    mask = torch.zeros(image.shape[:3], device=image.device)
    for face in faces:
        x0, y0, x1, y1 = face.box
        rows = slice(max(math.floor(y0), 0), max(math.ceil(y1) + 1, 0))
        columns = slice(max(math.floor(x0), 0), max(math.ceil(x1) + 1, 0))
        mask[face.image_index, rows, columns] = 1
    return mask


def to_report(told: dict[str, Any]) -> str:
    """Human-readable JSON: each list of numbers is on one line."""
    return _NUMBERS.sub(lambda numbers: " ".join(numbers[0].split()), json.dumps(told, indent=2))

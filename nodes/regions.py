"""Regions of images that choose faces: a face is in a region if the centre of its box is.

MASK: B x H x W in 0..1, a mask for each image or one for all; a point is in it where it is 0.5 or more.
BOUNDING_BOX: see `core_faces`.
SEGS: the segments of ComfyUI-Impact-Pack for one image, which serve every image here: a tuple of the (height, width) of
    the image and a list of segments. A segment has `crop_region` (x0, y0, x1, y1) in pixels, `cropped_mask` (H x W in
    0..1, of that region) or None, and `bbox` (x0, y0, x1, y1).
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from itertools import chain
from numbers import Real
from typing import Any

import torch

from ..gpen.errors import ImageError
from ..gpen.types import Face, Faces
from ..gpen.wording import count as counted
from .inputs import require_image

_BOX_KEYS = ("x", "y", "width", "height")
_SEGMENT_KEYS = ("crop_region", "cropped_mask", "bbox")
_INSIDE = 0.5

Holds = Callable[[Face], bool]


def within(faces: Faces, regions: Any) -> Faces:
    """The faces whose centre is in one of the regions; all faces if no regions are given.

    Args:
        faces: faces of any number of images.
        regions: MASK, BOUNDING_BOX or SEGS; None: no regions.

    Raises:
        ImageError: the regions are none of these, or are for images of another number or size.
    """
    if regions is None:
        return faces
    holds = _holder(regions, faces)
    return Faces(tuple(face for face in faces if holds(face)), faces.sizes)


def _holder(regions: Any, faces: Faces) -> Holds:
    """The function that tells whether a face is in the regions."""
    if isinstance(regions, torch.Tensor):
        masks = _checked_masks(regions, faces)
        return lambda face: _is_set(masks[face.image_index if len(masks) > 1 else 0], *_centre(face))
    if isinstance(regions, tuple):
        segments = _checked_segments(regions, faces)
        return lambda face: any(_in_segment(segment, *_centre(face)) for segment in segments)
    per_image = _checked_boxes(regions, len(faces.sizes))
    return lambda face: any(_in_box(box, *_centre(face)) for box in per_image[face.image_index])


def _centre(face: Face) -> tuple[float, float]:
    return (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2


def _checked_masks(mask: torch.Tensor, faces: Faces) -> torch.Tensor:
    masks = mask.reshape(-1, *mask.shape[-2:])
    require_image("regions", masks[..., None])
    height, width = masks.shape[-2:]
    wrong = next((size for size in faces.sizes if size != (height, width)), None)
    if wrong:
        raise ImageError(
            f"regions holds {counted(len(masks), 'mask')} of {width} x {height}, but the faces are of images of "
            f"{wrong[1]} x {wrong[0]}; connect a mask of these images, or resize it."
        )
    if len(masks) not in (1, len(faces.sizes)):
        raise ImageError(
            f"regions holds {counted(len(masks), 'mask')}, but the faces are of {counted(len(faces.sizes), 'image')}; "
            "connect a mask for each image, or one for all."
        )
    return masks


def _checked_segments(segs: tuple, faces: Faces) -> list[Any]:
    shaped = len(segs) == 2 and isinstance(segs[0], tuple | list) and isinstance(segs[1], list | tuple)
    if not shaped or not all(hasattr(one, key) for one in segs[1] for key in _SEGMENT_KEYS):
        raise ImageError(
            f"regions holds {reprlib.repr(segs)}, but SEGS are a size and a list of segments; connect SEGS of "
            "ComfyUI-Impact-Pack, a MASK or bounding boxes."
        )
    (height, width), segments = segs[0], list(segs[1])
    wrong = next((size for size in faces.sizes if size != (height, width)), None)
    if wrong:
        raise ImageError(
            f"regions holds SEGS of an image of {width} x {height}, but the faces are of images of {wrong[1]} x "
            f"{wrong[0]}; connect SEGS of these images."
        )
    return segments


def _checked_boxes(regions: Any, number: int) -> list[list[dict]]:
    entries = regions if isinstance(regions, list) else [regions]
    one_for_all = not entries or not all(isinstance(entry, list) for entry in entries)
    per_image = [entries] * number if one_for_all else entries
    for box in chain.from_iterable(per_image):
        if not isinstance(box, dict) or not all(isinstance(box.get(key), Real) for key in _BOX_KEYS):
            raise ImageError(
                f"regions holds {reprlib.repr(box)}, but a box needs numbers {', '.join(_BOX_KEYS)} in pixels; "
                "connect boxes such as those of GPEN Detect Faces, a MASK or SEGS."
            )
    if len(per_image) != number:
        raise ImageError(
            f"regions holds boxes for {counted(len(per_image), 'image')}, but the faces are of {number}; connect a "
            "list for each image, or one for all."
        )
    return per_image


def _in_box(box: dict, x: float, y: float) -> bool:
    return 0 <= x - box["x"] <= box["width"] and 0 <= y - box["y"] <= box["height"]


def _in_segment(segment: Any, x: float, y: float) -> bool:
    if segment.cropped_mask is None:
        x0, y0, x1, y1 = segment.bbox
        return x0 <= x <= x1 and y0 <= y <= y1
    left, top = segment.crop_region[:2]
    mask = torch.as_tensor(segment.cropped_mask)
    return _is_set(mask.reshape(mask.shape[-2:]), x - float(left), y - float(top))


def _is_set(mask: torch.Tensor, x: float, y: float) -> bool:
    """Whether the pixel of an H x W mask at this point is set; outside the mask none is."""
    column, row = round(x), round(y)
    inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
    return inside and bool(mask[row, column] >= _INSIDE)

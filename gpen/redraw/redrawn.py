"""What the tasks have in common: pictures in and out, and the faces of a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..devices import on_device, select_device
from ..faces.place import NO_PIXELS, find_place
from ..images import Picture, from_array, to_array, write_picture
from ..models import load_detector, load_generator
from ..pixels.filters import smoothstep
from ..progress import Progress
from ..report import describe_face
from ..settings import Settings
from ..stages import FoundFaces, Networks, find_faces
from ..tasks import Task, require_task
from ..types import Alignment, Face

__all__ = [
    "NO_PIXELS",
    "Redrawn",
    "RedrawnPixels",
    "find",
    "finish",
    "load_networks",
    "place_crop",
    "soft_border",
    "told_of",
]

# Width of the soft border of a crop that is used to its edge, as a share of its side.
_BORDER = 0.08


@dataclass(frozen=True, eq=False, repr=False)
class Redrawn:
    """A picture of which faces were coloured or filled in.

    Attributes:
        mask: 1 x 1 x H x W in 0..1; pixels outside it did not change.
        report: JSON-serialisable report of what was found and done.
        original: 1 x 3 x H x W in 0..1, the input picture.
        pixels: 1 x 3 x H x W in 0..1, the result; the same tensor as `original` if nothing changed.
        picture: the result with its file's metadata if the input was a path or `Picture`.
        source: the input.
    """

    mask: torch.Tensor
    report: dict[str, Any]
    original: torch.Tensor
    pixels: torch.Tensor
    picture: Picture | None
    source: Any

    @cached_property
    def image(self) -> Any:
        """The result, of the same type as the input; for a path or `Picture`, an H x W x 3 array of the file's bit
        depth. A grey array becomes H x W x 3.
        """
        if self.picture:
            return self.picture.to_array()
        like = self.source
        if isinstance(like, Image.Image):
            like = like if like.mode in ("RGB", "RGBA") else like.convert("RGBA" if like.mode == "LA" else "RGB")
        elif like.ndim == 2 or like.shape[2] == 1:
            like = np.repeat(like.reshape(*like.shape[:2], 1), 3, axis=2)
        return to_array(self.pixels, like=like)

    def save(self, path: str | Path, *, quality: int | None = None) -> tuple[str, ...]:
        """Write the result; arguments, notes and errors as for `Restoration.save`."""
        return write_picture(self.picture or Picture(from_array(self.image)), path, quality=quality)


@dataclass(frozen=True, eq=False)
class RedrawnPixels:
    """The result of a task on the pixels of one picture.

    Attributes:
        pixels: 1 x 3 x H x W in 0..1; the very input if nothing changed.
        mask: 1 x 1 x H x W in 0..1; pixels outside it did not change.
        report: what was found and done.
    """

    pixels: torch.Tensor
    mask: torch.Tensor
    report: dict[str, Any]


def finish(image: Any, picture: Picture | None, given: torch.Tensor, made: RedrawnPixels) -> Redrawn:
    """The record of a result; the notes of the file come first in the report."""
    report = {**made.report, "notes": [*(picture.notes if picture else ()), *made.report["notes"]]}
    return Redrawn(made.mask, report, given, made.pixels, picture.with_pixels(made.pixels) if picture else None, image)


def load_networks(task: Task, model: str, detector: str, device: str) -> Networks:
    """The networks for a task, on a device.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        SettingsError: the model is for another task, or there is no such device.
    """
    place = select_device(device)
    generator = load_generator(model, device=place, task=task.name)
    return Networks(generator, load_detector(detector), place=on_device(place))


def find(
    pixels: torch.Tensor, networks: Networks, task: Task, settings: Settings, *, indices: str, progress: Progress
) -> FoundFaces:
    """The faces of one picture, numbered as everywhere.

    Raises:
        SettingsError: the generator is for another task.
    """
    generator = networks.generator
    require_task(generator.name, generator.task, task.name)
    networks.place(networks.detector.module)
    return find_faces(
        pixels,
        networks.detector.module,
        settings,
        indices=indices,
        template=generator.template,
        progress=partial(progress, "detect"),
    )


def told_of(face: Face, numbers: Mapping[Face, int], done: str, reason: str | None) -> dict[str, Any]:
    """A face in the report: where it is, its number, and whether it was `done`, or why not."""
    told = {**describe_face(face), "number": numbers.get(face), done: reason is None}
    return told if reason is None else {**told, "skipped": reason}


def soft_border(size: int, width: float = _BORDER) -> torch.Tensor:
    """1 x 1 x S x S: 0 along the border of a crop, 1 inside, with a soft edge of this share of the side."""
    depth = (torch.arange(size) + 0.5) / size
    ramp = smoothstep(torch.minimum(depth, 1 - depth) / width)
    return (ramp[:, None] * ramp)[None, None]


def place_crop(
    layer: torch.Tensor, mask: torch.Tensor, alignment: Alignment, warp: Callable[..., torch.Tensor]
) -> tuple[tuple[slice, slice, slice], torch.Tensor, torch.Tensor] | None:
    """A crop's layer and mask where they lie in the picture.

    Args:
        layer: 1 x C x S x S, any values.
        mask: 1 x 1 x S x S in 0..1.
        alignment: of the crop.
        warp: `pixels.warp.warp`, with the interpolation of the layer.

    Returns:
        The area of a C x H x W picture, the layer there, 1 x C x h x w, and the mask, 1 x h x w; None if it has no
        pixel there.
    """
    place = find_place(mask, alignment)
    if place is None:
        return None
    return place.area, warp(layer, place.area_to_crop_matrix(layer.shape[-1]), place.size), place.cover

"""Masks of parts of faces in their images: from 68 landmarks, and glasses by a parsing network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import cv2
import numpy as np
import torch

from ..errors import SettingsError
from ..pixels.filters import gaussian_blur
from ..pixels.warp import compose
from ..progress import Progress, each, silent
from ..tasks.maps import CLASSES
from ..types import Alignment, Faces
from ..values import require_choice
from .align import align_faces
from .masks.maps import parsed_maps
from .masks.parsing import PARSING_SIZE, FaceParser
from .masks.parts import crop_landmarks, part_masks
from .place import find_place

NamedPart = Literal["brows", "eyes", "nose", "lips", "skin", "hair", "glasses"]

# FFHQ's crops show the whole head; those at this scale, also the hair of one that is turned.
_TEMPLATE, _WIDE = "ffhq", 0.7
# Of a growth by 1, the part of a square and that of a diamond: together a regular octagon.
_SQUARE = 1 / (1 + 2**0.5)
_SQUARE_ELEMENT, _CROSS = np.ones((3, 3), np.uint8), cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def draw_part_masks(
    images: torch.Tensor,
    faces: Faces,
    parts: Collection[NamedPart | str],
    *,
    parser: FaceParser | None = None,
    grow: int = 0,
    feather: int = 0,
    progress: Progress = silent,
) -> torch.Tensor:
    """Draw masks of parts of faces.

    Args:
        images: B x 3 x H x W in 0..1, on the CPU.
        faces: the faces found in them; of those without 68 landmarks, the mean face is fitted to five.
        parts: which parts, see `masks.parts.part_masks`; the mask has all of them.
        parser: a parsing network on its device, for `glasses`.
        grow: pixels by which the outline moves outwards, or inwards if below 0.
        feather: pixels by which the edge is blurred: two standard deviations of a Gaussian.
        progress: called regularly; an exception it raises ends the work.

    Returns:
        B x 1 x H x W float32 in 0..1 on the CPU.

    Raises:
        SettingsError: there is no such part, `feather` is below 0, or `glasses` lack a parser.
    """
    for part in parts:
        require_choice("part", part, get_args(NamedPart))
    if feather < 0:
        raise SettingsError(f"feather is {feather}, and must be 0 or more.")
    if "glasses" in parts and parser is None:
        raise SettingsError("A mask of glasses needs a face parser; load one, or leave glasses out.")
    masks = torch.zeros(len(images), 1, *images.shape[-2:])
    crops, alignments = align_faces(images, faces, PARSING_SIZE, _TEMPLATE)
    numbered = list(enumerate(alignments))
    for (index, alignment), _ in each(numbered, partial(progress, "mask")):
        wide = _wider(alignment)
        layers = [(alignment, _union(alignment, {*parts} - {"hair"})), (wide, _union(wide, {*parts} & {"hair"}))]
        if "glasses" in parts and parser is not None:
            labels = parsed_maps(parser, crops[index : index + 1])
            layers.append((alignment, torch.from_numpy(labels == CLASSES.index("eye_g"))[None].float()))
        for where, layer in layers:
            place = find_place(layer, where)
            if place is not None:
                whole = masks[alignment.image_index]
                whole[place.area] = torch.maximum(whole[place.area], place.cover)
    for mask, _ in each(masks.split(1), partial(progress, "edge")):
        if grow:
            mask[0, 0] = torch.from_numpy(_grown(mask[0, 0].numpy(), grow))
        if feather:
            mask.copy_(gaussian_blur(mask, feather / 2).clamp(0, 1))
    return masks


def _union(alignment: Alignment, parts: Collection[str]) -> torch.Tensor:
    """1 x 1 x S x S: the parts of one face in its crop, but glasses."""
    drawn = part_masks(crop_landmarks((alignment,), PARSING_SIZE), PARSING_SIZE)
    chosen = [mask for part, mask in drawn.items() if part in parts]
    return torch.stack(chosen).amax(dim=0) if chosen else torch.zeros(1, 1, PARSING_SIZE, PARSING_SIZE)


def _wider(alignment: Alignment) -> Alignment:
    """The alignment of a crop with more around it, from which the hair of a turned head does not stick out."""
    middle = (alignment.crop_size - 1) / 2
    smaller = np.array([[_WIDE, 0.0, middle * (1 - _WIDE)], [0.0, _WIDE, middle * (1 - _WIDE)]])
    return replace(alignment, matrix=compose(smaller, alignment.matrix))


def _grown(mask: np.ndarray, grow: int) -> np.ndarray:
    """A mask, H x W, grown by an octagon, or shrunk."""
    change = cv2.dilate if grow > 0 else cv2.erode
    square = round(abs(grow) * _SQUARE)
    for element, steps in ((_SQUARE_ELEMENT, square), (_CROSS, abs(grow) - square)):
        if steps:
            mask = change(mask, element, iterations=steps)
    return np.asarray(mask)


__all__ = ["NamedPart", "draw_part_masks"]

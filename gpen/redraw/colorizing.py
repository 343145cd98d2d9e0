"""Colour the faces of a black-and-white photograph; its luma stays as it is."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from ..checks import require_between
from ..errors import ImageError
from ..faces.align import align_faces
from ..faces.landmarks import find_landmarks68
from ..faces.masks.contour import landmark_outline
from ..faces.masks.maps import sketch_map
from ..images import open_picture
from ..images.samples import integer_array
from ..pixels.color import add_colour, luma_601
from ..pixels.filters import gaussian_blur, smoothstep
from ..pixels.warp import transform_points, warp
from ..progress import Progress, each, silent
from ..restore import restore_crops
from ..settings import Settings
from ..stages import Networks
from ..stages.detail import judge_face_tone
from ..tasks import COLORIZATION
from ..tasks.maps import CLASSES
from ..types import Alignment, Faces
from ..wording import agree, count
from .redrawn import (
    NO_PIXELS,
    Redrawn,
    RedrawnPixels,
    find,
    finish,
    load_networks,
    place_crop,
    soft_border,
    told_of,
)

IN_COLOUR = "it is in colour already"
ONLY_FACES = (
    "Only faces are coloured; the rest is not this network's work. Colour the picture with a general colouriser first "
    "and give its result as the background."
)
# Soft edge around a person, as a share of the crop's side, and parts that are not coloured.
_FEATHER = 0.02
# Distances in units of the face up to which all, and from which no colour is taken.
_NEAR, _FAR = 1.15, 1.7
_NOT_COLOURED = tuple(CLASSES.index(part) for part in ("background", "cloth"))


def colorize(
    image: Any,
    *,
    model: str = "auto",
    detector: str = "auto",
    strength: float = 1.0,
    recolor: bool = False,
    background: Any = None,
    indices: str = "",
    device: str = "auto",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Redrawn:
    """Colour the faces of a picture.

    1. Find the faces, align each, and let the network colour its grey.
    2. Take only the colour differences, resampled to the photograph, where head, hair and neck are (see
       `faces.masks.maps.sketch_map`).
    3. Add them to the photograph's BT.601 luma at its full resolution. Colours too strong for a luma near black or
       white are reduced, so the luma of an 8-bit grey photograph is kept to the bit.

    Args:
        image: as for `Restorer.restore`.
        model: a registry name, a path, or `auto`: the best colouring network on this machine.
        detector: a registry name, a path, or `auto`.
        strength: 0 changes nothing, 1 gives the network's colours.
        recolor: also colour faces that are in colour already.
        background: the same picture coloured by another program, of the same size; its colours are used around the
            faces. Kinds as for `image`.
        indices: numbers of the faces, such as `0,2-4`; empty: all.
        device: `auto`, or a torch device.
        settings: how faces are found; only the group `find` counts.
        progress: called regularly; an exception it raises ends the work.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        ImageError: a picture cannot be read, or the background has another size.
        SettingsError: an argument is out of range, or the model is for another task.
    """
    require_between("strength", strength, 0, 1)
    pixels, picture = open_picture(image)
    painted = None if background is None else open_picture(background)[0]
    made = colorize_pixels(
        pixels,
        load_networks(COLORIZATION, model, detector, device),
        strength=strength,
        recolor=recolor,
        background=painted,
        indices=indices,
        settings=settings,
        progress=progress,
    )
    return finish(image, picture, pixels, made)


def colorize_pixels(
    pixels: torch.Tensor,
    networks: Networks,
    *,
    strength: float = 1.0,
    recolor: bool = False,
    background: torch.Tensor | None = None,
    indices: str = "",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> RedrawnPixels:
    """`colorize` with networks that are loaded already.

    Args:
        pixels: 1 x 3 x H x W in 0..1, on the CPU.
        networks: with a generator for colorization.
        background: 1 x 3 x H x W.
        strength, recolor, indices, settings, progress: as for `colorize`.

    Raises:
        ImageError: the background has another size.
        SettingsError: an argument is out of range, or the generator is for another task.
    """
    require_between("strength", strength, 0, 1)
    painted = pixels if background is None else background
    if painted.shape != pixels.shape:
        (height, width), (own_height, own_width) = painted.shape[-2:], pixels.shape[-2:]
        raise ImageError(
            f"The background has {width} x {height} pixels, and the picture {own_width} x {own_height}; give the same "
            "picture in colour."
        )
    generator = networks.generator
    found = find(pixels, networks, COLORIZATION, settings or Settings(), indices=indices, progress=progress)
    size = generator.module.config.size
    crops, alignments = align_faces(pixels, found.selected, size, generator.template)
    skipped = dict(zip(found.rejected, found.reasons, strict=True))
    chosen = []
    for n, alignment in enumerate(alignments):
        if not recolor and judge_face_tone(pixels, alignment).kind == "colour":
            skipped[alignment.face] = IN_COLOUR
        else:
            chosen.append(n)
    answers = restore_crops(
        generator.module, crops[chosen], task=COLORIZATION, colour="keep", place=networks.place, progress=progress
    )
    own = tuple(alignments[n] for n in chosen)
    masks = _people(pixels, crops[chosen], own, networks, progress)
    colour, cover = painted - luma_601(painted), torch.zeros_like(pixels[:, :1])
    for answer, mask, alignment in zip(answers, masks, own, strict=True):
        laid = place_crop(
            answer[None] - luma_601(answer[None]), mask[None], alignment, partial(warp, mode="bicubic", border="border")
        )
        if laid is None:
            skipped[alignment.face] = NO_PIXELS
            continue
        area, layer, share = laid
        colour = colour.clone() if colour is painted else colour
        colour[0][area] = torch.lerp(colour[0][area], layer[0], share * strength)
        cover[0][area] = 1 - (1 - cover[0][area]) * (1 - share)
    changed = torch.ones_like(cover) if background is not None else cover
    made = pixels
    if strength > 0 and bool(changed.any()):
        made = torch.where(changed > 0, add_colour(luma_601(pixels), colour), pixels)
    told = [told_of(face, found.numbers, "coloured", skipped.get(face)) for face in (*found.selected, *found.rejected)]
    notes = [] if background is not None or made is pixels else [ONLY_FACES]
    already = sum(reason == IN_COLOUR for reason in skipped.values())
    if already:
        left = agree(already, "left as it is", "left as they are")
        notes.append(f"{count(already, 'face')} {left}: in colour already; recolor colours also those.")
    report = {"model": generator.name, "faces": told, "notes": notes}
    return RedrawnPixels(made, changed if made is not pixels else torch.zeros_like(cover), report)


def _near(outline: np.ndarray, size: int) -> torch.Tensor:
    """S x S: 1 at and around a face, falling to 0 farther away, where dark surroundings pass for hair."""
    low, high = torch.from_numpy(outline.min(axis=0)), torch.from_numpy(outline.max(axis=0))
    (x, y), (wide, high_) = (low + high) / 2, (high - low) / 2
    places = torch.arange(size)
    away = torch.hypot((places - x) / wide, ((places - y) / high_)[:, None])
    return smoothstep((_FAR - away) / (_FAR - _NEAR)).float()


def _people(
    pixels: torch.Tensor,
    crops: torch.Tensor,
    alignments: tuple[Alignment, ...],
    networks: Networks,
    progress: Progress,
) -> torch.Tensor:
    """Soft masks of head, hair and neck, N x 1 x S x S: colours beside them would show as a rim."""
    size = crops.shape[-1]
    masks = torch.zeros(len(crops), 1, size, size)
    if not alignments:
        return masks
    landmarker = networks.landmarker.module
    networks.place(landmarker)
    faces = tuple(alignment.face for alignment in alignments)
    sizes = ((pixels.shape[-2], pixels.shape[-1]),)
    points = [face.landmarks68 for face in find_landmarks68(landmarker, pixels, Faces(faces, sizes))]
    places = list(zip(masks, crops, alignments, points, strict=True))
    for (mask, crop, alignment, own), _ in each(places, partial(progress, "mask")):
        assert own is not None
        placed = (transform_points(alignment.matrix, own) + 0.5) * (size / alignment.crop_size) - 0.5
        sketch = sketch_map(integer_array(crop[None], np.dtype(np.uint8)), placed)
        mask[0] = torch.from_numpy(~np.isin(sketch, _NOT_COLOURED)).float() * _near(landmark_outline(placed), size)
    return gaussian_blur(masks, _FEATHER * size) * soft_border(size)

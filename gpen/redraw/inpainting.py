"""Fill in what a mask covers: faces by the network, the rest by diffusion; every other pixel stays."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, get_args

import cv2
import torch
import torch.nn.functional as F

from ..choices import Elsewhere
from ..errors import ImageError
from ..faces.align import align_faces, crop_to_image_matrix
from ..images import open_picture
from ..pixels.fill import spread
from ..pixels.warp import warp
from ..progress import Progress, silent
from ..restore import restore_crops
from ..settings import Settings
from ..stages import Networks
from ..tasks import INPAINTING
from ..tasks.inpainting import NARROWEST, WIDEST
from ..types import Alignment
from ..values import require_choice
from ..wording import count
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

NOT_COVERED = "the mask covers nothing of it"
# Less of a crop's pixel than this is taken for none.
_TOUCHED = 0.01
# Radius in which OpenCV's method looks around, in pixels.
_RADIUS = 3
# Width of the ring around a hole in which the network's answer is compared with the photograph, in pixels.
_RING = 2
# By how much a pixel beside a hole differs from those behind it if some of a scratch is left in it.
_LEFT_OVER = 0.2
# From this value of a mask on, a pixel is filled in: some of a stroke's white is in the pixels along its edge.
_COVERED = 0.1


def inpaint(
    image: Any,
    mask: Any,
    *,
    model: str = "auto",
    detector: str = "auto",
    elsewhere: Elsewhere = "diffuse",
    indices: str = "",
    device: str = "auto",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Redrawn:
    """Fill in what a mask covers.

    1. Find the faces, on a copy whose covered pixels are filled by diffusion, since scratches hide faces.
    2. Paint what is covered white into each crop, widened to the least width that the network knows.
    3. Take from its answer only the covered pixels. Shift them by the difference to the photograph along the edge of
       the hole, continued smoothly into it (membrane interpolation, as in Farbman et al. 2009, "Coordinates for instant
       image cloning"), so that no seam is seen.
    4. Fill covered pixels outside of faces by diffusion (Telea 2004, OpenCV), or leave them.

    Args:
        image: as for `Restorer.restore`.
        mask: what to fill in: a picture or array of the same size, white where it is covered; grey, from 0.1 on, counts
            as white. Kinds as for `image`.
        model: a registry name, a path, or `auto`: the best filling network on this machine.
        detector: a registry name, a path, or `auto`.
        elsewhere: `diffuse` or `leave`, for covered pixels outside of faces.
        indices: numbers of the faces, such as `0,2-4`; empty: all.
        device: `auto`, or a torch device.
        settings: how faces are found; only the group `find` counts.
        progress: called regularly; an exception it raises ends the work.

    Returns:
        The result; its `mask` has the pixels that were filled in.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        ImageError: picture or mask cannot be read, their sizes differ, or the mask is empty.
        SettingsError: an argument is out of range, or the model is for another task.
    """
    require_choice("elsewhere", elsewhere, get_args(Elsewhere))
    pixels, picture = open_picture(image)
    covered = covered_pixels(mask, (pixels.shape[-2], pixels.shape[-1]))
    made = inpaint_pixels(
        pixels,
        covered,
        load_networks(INPAINTING, model, detector, device),
        elsewhere=elsewhere,
        indices=indices,
        settings=settings,
        progress=progress,
    )
    return finish(image, picture, pixels, made)


def inpaint_pixels(
    pixels: torch.Tensor,
    covered: torch.Tensor,
    networks: Networks,
    *,
    elsewhere: Elsewhere | str = "diffuse",
    indices: str = "",
    settings: Settings | None = None,
    progress: Progress = silent,
) -> RedrawnPixels:
    """`inpaint` with networks that are loaded already.

    Args:
        pixels: 1 x 3 x H x W in 0..1, on the CPU.
        covered: 1 x 1 x H x W of 0 and 1: what to fill in.
        networks: with a generator for inpainting.
        elsewhere, indices, settings, progress: as for `inpaint`.

    Raises:
        SettingsError: an argument is out of range, or the generator is for another task.
    """
    require_choice("elsewhere", elsewhere, get_args(Elsewhere))
    diffused = _diffuse(pixels, covered)
    generator = networks.generator
    found = find(diffused, networks, INPAINTING, settings or Settings(), indices=indices, progress=progress)
    size = generator.module.config.size
    crops, alignments = align_faces(diffused, found.selected, size, generator.template)
    skipped = dict(zip(found.rejected, found.reasons, strict=True))
    strokes = [_strokes(covered, alignment, size) for alignment in alignments]
    chosen = [n for n, stroke in enumerate(strokes) if stroke.any()]
    skipped |= {alignment.face: NOT_COVERED for n, alignment in enumerate(alignments) if n not in chosen}
    own, holes, crops = tuple(alignments[n] for n in chosen), [strokes[n] for n in chosen], crops[chosen]
    painted = crops.clone()
    for crop, hole in zip(painted, holes, strict=True):
        crop[:, hole[0] > 0] = 1
    answers = restore_crops(
        generator.module, painted, task=INPAINTING, colour="keep", place=networks.place, progress=progress
    )
    filled, by_network = diffused.clone(), torch.zeros_like(covered)
    for answer, crop, hole, alignment in zip(answers, crops, holes, own, strict=True):
        laid = place_crop(
            _meet(answer[None], crop[None], hole[None]),
            soft_border(size),
            alignment,
            partial(warp, mode="bicubic", border="border"),
        )
        if laid is None:
            skipped[alignment.face] = NO_PIXELS
            continue
        area, layer, share = laid
        layer = _at_edge(layer.clamp(0, 1), pixels[0][area][None], covered[0][area][None])
        filled[0][area] = torch.lerp(filled[0][area], layer[0].clamp(0, 1), share)
        by_network[0][area] = torch.maximum(by_network[0][area], (share > 0.5).to(covered) * covered[0][area])
    done = covered if elsewhere == "diffuse" else by_network
    made = torch.where(done > 0, filled, pixels) if bool(done.any()) else pixels
    told = [told_of(face, found.numbers, "filled", skipped.get(face)) for face in (*found.selected, *found.rejected)]
    report = {
        "model": generator.name,
        "pixels": {"covered": int(covered.sum()), "by_network": int(by_network.sum())},
        "faces": told,
        "notes": _notes(covered, by_network, holes, elsewhere),
    }
    return RedrawnPixels(made, done, report)


def covered_pixels(mask: Any, size: tuple[int, int]) -> torch.Tensor:
    """A mask as 1 x 1 x H x W of 0 and 1.

    Raises:
        ImageError: it has another size than the picture, or covers nothing.
    """
    given = open_picture(mask)[0].amax(dim=1, keepdim=True)
    if given.shape[-2:] != size:
        raise ImageError(
            f"The mask has {given.shape[-1]} x {given.shape[-2]} pixels, and the picture {size[1]} x {size[0]}; draw "
            "it on a copy of the picture."
        )
    covered = where_covered(given)
    if not bool(covered.any()):
        raise ImageError("The mask covers nothing; paint white what is to be filled in.")
    return covered


def where_covered(mask: torch.Tensor) -> torch.Tensor:
    """Which pixels of a mask in 0..1 are filled in, as 0 and 1, in its shape."""
    return (mask >= _COVERED).float()


def _diffuse(pixels: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    """The picture with its covered pixels filled from around them; the others are the very values."""
    hole = covered[0, 0].byte().numpy()
    eight_bits = pixels[0].mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
    filled = cv2.inpaint(eight_bits, hole, _RADIUS, cv2.INPAINT_TELEA)
    return torch.where(covered > 0, torch.from_numpy(filled).permute(2, 0, 1)[None].float() / 255, pixels)


def _strokes(covered: torch.Tensor, alignment: Alignment, size: int) -> torch.Tensor:
    """1 x S x S of 0 and 1: what is covered of a crop, nothing narrower than the network knows."""
    seen = warp(covered, crop_to_image_matrix(alignment, size), (size, size), mode="bilinear", border="zeros")
    touched = (seen[0, 0] > _TOUCHED).byte().numpy()
    side = 2 * math.ceil(NARROWEST * size / 2) + 1
    widened = cv2.dilate(touched, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return torch.from_numpy(widened)[None].float()


def _meet(answer: torch.Tensor, crop: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """Shift the answer so that it meets the crop along the edge of the hole, all 1 x C x S x S."""
    ring = F.max_pool2d(hole, 2 * _RING + 1, 1, _RING) * (1 - hole)
    return answer + spread(crop - answer, ring)


def _at_edge(layer: torch.Tensor, pixels: torch.Tensor, covered: torch.Tensor) -> torch.Tensor:
    """The same at the picture's own scale, where a crop is coarser or finer than it.

    Masks seldom cover the last of a scratch. So pixels beside the hole count only where those behind them go on alike;
    elsewhere the latter count.
    """
    near = F.max_pool2d(covered, 3, 1, 1)
    beside = near - covered
    behind = F.max_pool2d(near, 2 * _RING + 1, 1, _RING) - near
    difference = pixels - layer
    if not bool(behind.any()):
        return layer + spread(difference, beside) if bool(beside.any()) else layer
    off = (difference - spread(difference, behind)).abs().amax(dim=1, keepdim=True)
    left_over = beside * (off > _LEFT_OVER)
    known = beside - left_over + behind * F.max_pool2d(left_over, 2 * _RING + 3, 1, _RING + 1)
    return layer + spread(difference, known)


def _notes(covered: torch.Tensor, by_network: torch.Tensor, holes: list[torch.Tensor], elsewhere: str) -> list[str]:
    notes = []
    outside = int(covered.sum() - by_network.sum())
    if outside:
        how = "were filled by diffusion" if elsewhere == "diffuse" else "were left"
        notes.append(f"{count(outside, 'covered pixel')} outside of the chosen faces {how}.")
    widest = max(map(_width, holes), default=0.0)
    if widest > WIDEST:
        notes.append(
            f"A covered place is {widest:.0%} of the face's crop wide; the network was taught strokes of up to "
            f"{WIDEST:.0%}, and guesses in wider ones."
        )
    return notes


def _width(hole: torch.Tensor) -> float:
    """The widest place of a hole, 1 x S x S, as a share of the side."""
    return 2 * float(cv2.distanceTransform(hole[0].byte().numpy(), cv2.DIST_L2, 5).max()) / hole.shape[-1]

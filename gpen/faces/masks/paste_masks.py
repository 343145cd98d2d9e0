"""Soft masks in the shape of the face, in pixels of its crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F

from ...checks import all_finite
from ...choices import MaskMode
from ...errors import ImageError, MaskError, SettingsError
from ...pixels.filters import gaussian_blur, smoothstep
from ...pixels.warp import transform_points
from ...progress import Steps, each, no_steps
from ...types import Alignment
from .contour import head_outline, hull_distance, landmark_outline
from .parsing import FaceParser, face_probability

# Outlines are drawn on a grid of this side and enlarged, since a soft edge has no finer detail.
_GRID = 64
# Width of the border that is always 0, as a share of the crop's side.
_MARGIN = 0.02
# Half axes of the oval of `ellipse`, beyond its soft edge, in units of the crop's side.
_OVAL = (0.42, 0.48)


def draw_masks(
    alignments: tuple[Alignment, ...],
    size: int,
    mode: MaskMode | str = "landmarks",
    feather: float = 0.1,
    *,
    crops: torch.Tensor | None = None,
    parser: FaceParser | None = None,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, tuple[str | None, ...]]:
    """Draw masks for pasting aligned crops; a fault of one face does not affect the others.

    Args:
        alignments: one for each crop.
        size: side S of the masks in pixels; they cover the crop regardless of its size.
        mode: `landmarks`: the face from chin to hairline, from the 68 landmarks if available, else from a head fitted
            to the five; `ellipse`: the largest oval in the crop, including hair and ears, independent of the landmarks;
            `parsing`: skin, features, ears and hair, found by a parsing network.
        feather: width of the soft edge as a share of the crop's side, 0..0.5. It is outside the face, so that the face
            is pasted completely.
        crops: N x 3 x H x W in 0..1, for `parsing`.
        parser: from `build_parser`, for `parsing`.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N x 1 x S x S float32 in 0..1 on the CPU, smooth, and 0 along the border of the crop; and for each face None, or
        the reason why it has no mask (it cannot be drawn, is not finite or is empty), in which case the mask is 0.

    Raises:
        SettingsError: the mode is unknown, `feather` is out of range, or `parsing` lacks crops or parser.
    """
    if mode not in get_args(MaskMode):
        raise SettingsError(f"There is no mask mode {mode!r}; choose from {', '.join(get_args(MaskMode))}.")
    if not 0 <= feather <= 0.5:
        raise SettingsError(f"feather is {feather}, and must lie between 0 and 0.5 of the crop's side.")
    if mode == "parsing" and (crops is None or parser is None):
        raise SettingsError("The mask mode parsing needs crops and a parsing network; load one or choose landmarks.")
    if not alignments:
        return torch.zeros(0, 1, size, size), ()
    # A narrower edge would make the cells of the grid visible.
    feather = max(feather, 1 / _GRID)
    faults: list[str | None] = [None] * len(alignments)
    if crops is not None and parser is not None and mode == "parsing":
        masks = _soft_probability(face_probability(parser, crops, progress=progress).float().cpu(), feather)
    else:
        masks = torch.zeros(len(alignments), 1, _GRID, _GRID)
        for (index, alignment), _ in each(list(enumerate(alignments)), progress):
            try:
                masks[index] = _soft_outline(alignment, mode, feather)
            except ImageError as error:
                faults[index] = str(error)
    masks = F.interpolate(masks, (size, size), mode="bicubic", antialias=True).clamp(0, 1) * _window(size, feather)
    for index, mask in enumerate(masks):
        if not all_finite(mask):
            faults[index] = "its mask is not finite"
            mask.zero_()
        elif faults[index] is None and not mask.any():
            faults[index] = "its mask is empty"
    return masks, tuple(faults)


def require_masks(masks: torch.Tensor, faults: Sequence[str | None]) -> torch.Tensor:
    """Return the masks of `draw_masks` if every face has one.

    Raises:
        MaskError: a face has none; the message says which and why.
    """
    if any(faults):
        raise MaskError({index: fault for index, fault in enumerate(faults) if fault})
    return masks


def _soft_probability(probability: torch.Tensor, feather: float) -> torch.Tensor:
    """Soft edge from where the face ends, half covered by the blur, to where it covers 2 %, about `feather` away."""
    blurred = gaussian_blur(probability, feather * probability.shape[-1] / 2)
    return smoothstep((blurred - 0.02) / 0.48)


def _soft_outline(alignment: Alignment, mode: str, feather: float) -> torch.Tensor:
    """1 x grid x grid; 1 within the outline, falling to 0 over `feather` outside it."""
    centres = (np.arange(_GRID) + 0.5) / _GRID
    points = np.stack(np.meshgrid(centres, centres), axis=-1)
    if mode == "ellipse":
        distance = (np.linalg.norm((points - 0.5) / _OVAL, axis=-1) - 1) * min(_OVAL) + feather
    else:
        distance = hull_distance(_face_outline(alignment), points, feather)
    return smoothstep(1 - torch.from_numpy(distance).float() / feather)[None]


def _face_outline(alignment: Alignment) -> np.ndarray:
    """The outline of the face in units of the crop's side."""
    face = alignment.face
    if face.landmarks68 is not None:
        outline = landmark_outline(face.landmarks68)
    else:
        outline = head_outline(face.landmarks)
    return (transform_points(alignment.matrix, outline) + 0.5) / alignment.crop_size


def _window(size: int, feather: float) -> torch.Tensor:
    """1 x 1 x S x S; 0 along the border, 1 inside, so that a face that reaches the border is not cut off."""
    depth = (torch.arange(size) + 0.5) / size
    ramp = smoothstep((torch.minimum(depth, 1 - depth) - _MARGIN) / feather)
    return (ramp[:, None] * ramp)[None, None]

"""Let restored faces be only as sharp as their surroundings."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..detail.softening import Softening, measure_softening
from ..faces.align import crop_aligned
from ..faces.masks import draw_masks
from ..faces.place import find_place
from ..pixels.filters import gaussian_blur
from ..pixels.resize import resize
from ..pixels.warp import matrix_scale, transformed_bounds
from ..settings import Settings
from ..types import Alignment
from .records import FaceRecord, RestoredFaces

# Side of the measured surroundings: a multiple of the crop's, and a minimum in pixels of the picture.
_AROUND, _LEAST_AROUND = 2.0, 192
# Soft edge of the mask of the face.
_FEATHER = 0.1


def soften_faces(
    images: torch.Tensor, faces: RestoredFaces, settings: Settings, *, background: torch.Tensor | None = None
) -> RestoredFaces:
    """Soften restored faces that are sharper than the picture around them (`match_sharpness`).

    Args:
        images: B x 3 x H x W in 0..1, which the alignments belong to.
        faces: result of `keep_own_detail`.
        settings: how much of the difference is softened: this share of the deviation of the Gaussian.
        background: pictures of the same shape that the faces are pasted into instead.

    Returns:
        The faces, with what was measured in their records; `faces` itself if the settings do not ask for it.
    """
    if settings.match_sharpness == 0:
        return faces
    after, records = faces.after.clone(), []
    for n, record in enumerate(faces.records):
        if record.left_alone is None:
            record = _measured(images if background is None else background, images, faces.after[n], record)
            if record.softening is not None:
                after[n : n + 1] = gaussian_blur(after[n : n + 1], settings.match_sharpness * record.softening.blur)
        records.append(record)
    return replace(faces, after=after, records=tuple(records))


def _measured(ground: torch.Tensor, images: torch.Tensor, restored: torch.Tensor, record: FaceRecord) -> FaceRecord:
    if record.softening is not None:
        return record
    return replace(record, softening=judge_softening(ground, images, restored[None], record.alignment))


def judge_softening(
    ground: torch.Tensor, images: torch.Tensor, restored: torch.Tensor, alignment: Alignment
) -> Softening | None:
    """How sharp a face is beside its surroundings, in pixels of its crop; None if the face cannot be outlined.

    Both are measured in pixels of the picture or of the crop, whichever are larger, since enlarging adds no detail.

    Args:
        ground: B x 3 x H x W in 0..1, with the surroundings.
        images: the same shape, with the photograph's own face.
        restored: 1 x 3 x S x S in 0..1.
        alignment: of the crop.
    """
    size = alignment.crop_size
    inside, (fault,) = draw_masks((alignment,), size, "landmarks", _FEATHER)
    place = None if fault else find_place(inside.to(ground), alignment)
    if place is None:
        return None
    # Not turned, and not resized if small: interpolation would soften it.
    scale = matrix_scale(alignment.inverse)
    x0, y0, x1, y1 = transformed_bounds(alignment.inverse, (size, size))
    reach = max(_AROUND * scale * size, _LEAST_AROUND) / 2
    top, left = (max(0, round(middle - reach)) for middle in ((y0 + y1) / 2, (x0 + x1) / 2))
    bottom, right = (round(middle + reach) for middle in ((y0 + y1) / 2, (x0 + x1) / 2))
    around = ground[alignment.image_index, None, :, top:bottom, left:right]
    outside = torch.ones_like(around[:, :1])
    _, rows, columns = place.area
    outside[0, :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] -= place.cover
    if scale > 1:
        height, width = (max(1, round(side / scale)) for side in around.shape[-2:])
        around, outside = resize(around, (height, width)), resize(outside, (height, width))
    side = max(1, round(min(1.0, scale) * size))
    own, made = crop_aligned(images, alignment, side), resize(restored, (side, side))
    return measure_softening(around, outside, own, made, resize(inside, (side, side)).to(own)).resized(size / side)

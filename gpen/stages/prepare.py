"""Whole images made ready before their faces are restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ..photograph.prepare import JpegTables, prepare
from ..settings import Settings
from ..types import Faces


def prepare_images(
    images: torch.Tensor,
    faces: Faces,
    settings: Settings,
    *,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
) -> tuple[torch.Tensor, tuple[dict[str, Any] | None, ...]]:
    """Prepare the images that have faces to restore; the others stay as they are.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: those that will be restored.
        settings: what is prepared, and how much.
        jpeg_tables: the quantisation tables of each image's file, where it has any; the reports tell of them.

    Returns:
        The images, the very tensor that came in where nothing changed, and for each image what was found and done;
        None where it was not asked for or has no face.
    """
    reports: list[dict[str, Any] | None] = [None] * len(images)
    if not settings.prepares:
        return images, tuple(reports)
    result = images
    for index in sorted({face.image_index for face in faces}):
        one = images[index : index + 1]
        own = Faces(tuple(replace(face, image_index=0) for face in faces.of_image(index)), (faces.sizes[index],))
        done, told = prepare(
            one,
            white_balance=settings.white_balance,
            deblock=settings.deblock,
            faces=own,
            exposure=settings.exposure,
            levels=settings.levels,
            jpeg_tables=jpeg_tables and [jpeg_tables[index]],
        )
        reports[index] = told[0]
        if done is not one:
            result = images.clone() if result is images else result
            result[index] = done[0]
    return result, tuple(reports)

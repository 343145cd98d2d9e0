"""Prepare whole images before their faces are restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..photograph.prepare import JpegTables, prepare
from ..progress import Steps, each, no_steps
from ..settings import Settings
from ..types import Faces


def prepare_images(
    images: torch.Tensor,
    faces: Faces,
    settings: Settings,
    *,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, tuple[dict[str, Any] | None, ...]]:
    """Prepare the images with faces to restore; the others stay unchanged.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: faces to restore.
        settings: preparation settings.
        jpeg_tables: quantisation tables of each image's file, if any; used in the reports.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        The images (the input tensor itself if nothing changed), and a report for each image; None if preparation is off
        or the image has no face.
    """
    reports: list[dict[str, Any] | None] = [None] * len(images)
    if not settings.prepares:
        return images, tuple(reports)
    result = images
    for index, steps in each(sorted({face.image_index for face in faces}), progress):
        one = images[index : index + 1]
        done, told = prepare(
            one,
            white_balance=settings.white_balance,
            deblock=settings.deblock,
            faces=faces.window(index, index + 1),
            exposure=settings.exposure,
            levels=settings.levels,
            jpeg_tables=jpeg_tables and [jpeg_tables[index]],
            progress=steps,
        )
        reports[index] = told[0]
        if done is not one:
            result = images.clone() if result is images else result
            result[index] = done[0]
    return result, tuple(reports)

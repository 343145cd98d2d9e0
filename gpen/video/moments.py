"""Crops of the faces of a video before and after, from its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..faces.align import align_faces
from ..types import Face, Faces
from .files import VideoInfo, read_frames, read_info, read_times
from .trim import Trim

_MOST = 8


def cut_moments(
    info: VideoInfo,
    target: Path,
    report: Mapping[str, Any],
    trim: Trim,
    template: str,
    size: int,
    *,
    look: Callable[[], object] = lambda: None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut a crop of each restored face, in the frame that the report names, from the source and from the result.

    Args:
        info: of the source.
        target: the result.
        report: of `restore_video`.
        trim: the part of the source that the result is.
        template: landmark template of the crops.
        size: side S of the crops.
        look: called after each crop; what it raises ends the work.

    Returns:
        N x 3 x S x S in 0..1, before and after, of at most 8 faces: those that were restored in most frames.

    Raises:
        VideoError: a file cannot be read any more.
    """
    restored = [face for face in report["faces"] if face["restored_frames"]]
    chosen = sorted(restored, key=lambda face: -face["restored_frames"])[:_MOST]
    crops = torch.zeros(0, 3, size, size)
    if not chosen:
        return crops, crops
    times, result = read_times(info), read_info(target)
    first = 0 if trim == Trim() else trim.numbers(times, info.time_base)[0]
    own_times = read_times(result)
    before, after = [], []
    for face in chosen:
        number = face["frame"]
        before.append(_crop(info, times, number, face, template, size))
        look()
        after.append(_crop(result, own_times, number - first, face, template, size))
        look()
    return torch.cat([crops, *before]), torch.cat([crops, *after])


def _crop(
    info: VideoInfo, times: np.ndarray, number: int, told: Mapping[str, Any], template: str, size: int
) -> torch.Tensor:
    """The crop of a face in a frame; nothing if the frame cannot be read."""
    frame = next(read_frames(info, start=number, stop=number + 1, times=times), None)
    if frame is None:
        return torch.zeros(0, 3, size, size)
    image = frame.rgb()[None]
    face = Face(tuple(told["box"]), told["score"], np.array(told["landmarks"], np.float32))
    return align_faces(image, Faces((face,), ((image.shape[-2], image.shape[-1]),)), size, template)[0]

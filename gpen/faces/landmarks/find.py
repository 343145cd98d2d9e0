"""Find 68 landmarks in iBUG order with the bundled network or facexlib's 98-point one.

Convention: points are (x, y), pixel centres at integers, in pixels of the image or the crop they belong to.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch

from ...checks import require_images
from ...devices import in_pieces
from ...errors import CheckpointError, ImageError
from ...progress import Steps, no_steps
from ...types import Face, Faces
from ...wording import count
from .small68 import Landmarker68, build_landmarker68, is_landmarker68
from .wflw98 import Landmarker98, build_landmarker98, is_landmarker98

Landmarker = Landmarker68 | Landmarker98


def build_landmarker(state_dict: dict[str, torch.Tensor]) -> Landmarker:
    """Build a landmark network from a checkpoint.

    Args:
        state_dict: a flat state dict; `weights.checkpoint.read` extracts that of `alignment_WFLW_4HG.pth`, which is
            under "state_dict".

    Raises:
        CheckpointError: the tensors belong to another network, or are incomplete or altered.
    """
    if is_landmarker68(state_dict):
        return build_landmarker68(state_dict)
    if is_landmarker98(state_dict):
        return build_landmarker98(state_dict)
    raise CheckpointError(
        "This is not a landmark checkpoint; give alignment_WFLW_4HG.pth, or use the bundled face-landmarks-lite."
    )


def find_landmarks68(
    landmarker: Landmarker,
    images: torch.Tensor,
    faces: Faces,
    progress: Steps = no_steps,
) -> Faces:
    """Add the 68 landmarks to faces.

    Args:
        landmarker: from `build_landmarker`, already on its device.
        images: B x 3 x H x W in 0..1.
        faces: faces found in these images.
        progress: called with (done, total) faces after each pass of the network; an exception it raises ends the
            search.

    Returns:
        The faces in the same order, otherwise unchanged.

    Raises:
        ImageError: the images are not those of the faces, or landmarks are unusable.
    """
    require_images(images)
    if faces.sizes != (tuple(images.shape[-2:]),) * len(images):
        raise ImageError(
            f"The faces were found on {count(len(faces.sizes), 'image')} of sizes {sorted(set(faces.sizes))}, "
            f"but the images are {tuple(images.shape)}; give the images of these faces."
        )

    def run(first: int, last: int) -> list[Face]:
        chunk = faces.faces[first:last]
        points = landmarker.locate(images, chunk)
        progress(last, len(faces))
        return [replace(face, landmarks68=own) for face, own in zip(chunk, points, strict=True)]

    found = in_pieces(
        len(faces),
        run,
        most=landmarker.chunk,
        too_large="There is not enough memory for the landmarks of one face; free some memory or run on the CPU.",
    )
    return Faces(tuple(itertools.chain(*found)), faces.sizes)


def find_in_crops(
    landmarker: Landmarker, crops: torch.Tensor, five: np.ndarray, *, progress: Steps = no_steps
) -> np.ndarray:
    """Find the 68 landmarks in crops of faces.

    Args:
        landmarker: as for `find_landmarks68`.
        crops: N x 3 x S x S in 0..1.
        five: N x 5 x 2, approximate positions of the five landmarks, in pixels of the crops.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N x 68 x 2 in pixels of the crops.

    Raises:
        ImageError: crops or landmarks are unusable.
    """
    height, width = crops.shape[-2:]
    faces = tuple(Face((0, 0, width, height), 1.0, points, index) for index, points in enumerate(five))
    found = find_landmarks68(landmarker, crops, Faces(faces, ((height, width),) * len(crops)), progress)
    points = [face.landmarks68 for face in found if face.landmarks68 is not None]
    return np.stack(points) if points else np.zeros((0, 68, 2))

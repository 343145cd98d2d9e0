"""Align faces: upright crops of the same size with the landmarks at the positions of a template.

Convention: an alignment's matrix maps points of the image to points of the crop; see `..types.Alignment`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ...weights.registry import Template
from ..checks import require_images
from ..errors import ImageError, SettingsError
from ..pixels.color import luma
from ..pixels.warp import compose, matrix_scale, resize_matrix, warp
from ..progress import Steps, each, no_steps
from ..types import Alignment, Faces
from ..wording import count


def _gpen_template() -> np.ndarray:
    """GPEN's own template, computed as in its `align_faces.py`.

    The five points of the 96 x 112 template of InsightFace (ArcFace), made square by padding the sides, then padded
    by a quarter of the side all around.
    """
    points = np.array(
        [
            [30.29459953, 51.69630051],
            [65.53179932, 51.50139999],
            [48.02519989, 71.73660278],
            [33.54930115, 92.3655014],
            [62.72990036, 92.20410156],
        ]
    )
    side, inner_padding = 112, 0.25
    padding = inner_padding * side
    return (points + [(side - 96) / 2 + padding, padding]) / (side + 2 * padding)


def _ffhq_template() -> np.ndarray:
    """facexlib's template (`face_restoration_helper.py`): the mean landmarks of FFHQ, given for 512 x 512."""
    points = [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
    return np.array(points) / 512


# 5 x 2 each, in units of the crop's side: left eye, right eye, nose, left and right mouth corner. Multiplied by the
# crop's side, they are pixel coordinates, as in both upstream scripts.
TEMPLATES: dict[str, np.ndarray] = {"gpen": _gpen_template(), "ffhq": _ffhq_template()}


LOOK_SIDE = 8
"""Side of the signature of a crop in pixels."""
# Maximum side of a crop in pixels of its picture; larger ones come from invalid, such as mirrored, landmarks.
_LARGEST_CROP = 1e6


def estimate_similarity_matrix(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Estimate the similarity (rotation, uniform scale, translation, no mirroring) that maps points to others.

    Least squares as in Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
    (PAMI 1991), equations 38 to 43. The statistics are computed in the precision of `source`: for float32 landmarks,
    the matrices equal those of GPEN's script to the last digit, which differ by up to 2e-3 px from the float64 ones.

    Args:
        source: N x K x 2, or K x 2; floating point.
        target: N x K x 2, or K x 2 for all.

    Returns:
        N x 2 x 3 (2 x 3 if both are K x 2) float64 matrices source -> target.

    Raises:
        ImageError: points are not finite, or all the points of one set coincide.
    """
    target = np.asarray(target, source.dtype)
    source_mean, target_mean = source.mean(axis=-2, keepdims=True), target.mean(axis=-2, keepdims=True)
    p, q = source - source_mean, target - target_mean
    with np.errstate(over="ignore", invalid="ignore"):  # overflows are refused below
        variance = p.var(axis=-2).sum(axis=-1)
    if not (np.isfinite(variance).all() and (variance > 0).all()):
        raise ImageError("The landmarks of a face are not finite or all coincide; leave that face out.")
    u, spread, v = np.linalg.svd(np.swapaxes(q, -2, -1) @ p / source.shape[-2])
    signs = np.ones(spread.shape)
    signs[..., -1] = np.sign(np.linalg.det(u) * np.linalg.det(v))
    scale = 1 / variance * (spread * signs).sum(axis=-1)
    linear = scale[..., None, None] * ((u * signs[..., None, :]) @ v)
    shift = np.swapaxes(target_mean, -2, -1) - linear @ np.swapaxes(source_mean, -2, -1)
    return np.concatenate([linear, shift], axis=-1)


def landmark_fault(landmarks: np.ndarray, template: Template | str) -> str | None:
    """Why landmarks, 5 x 2, cannot be aligned to a template; None if they can."""
    if not np.isfinite(landmarks).all():
        return "its landmarks are not finite"
    try:
        matrix = estimate_similarity_matrix(landmarks, TEMPLATES[template])
    except ImageError:
        return "its landmarks all coincide"
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < _LARGEST_CROP**-2:
        return "its landmarks are not those of a face: no turn and scale lays them on the template"
    return None


def usable_faces(faces: Faces, template: Template | str) -> tuple[Faces, Faces]:
    """Split faces into those whose landmarks can be aligned to a template, and the others."""
    faults = [landmark_fault(face.landmarks, template) for face in faces]
    usable, unusable = (
        Faces(tuple(face for face, fault in zip(faces, faults, strict=True) if (fault is None) == wanted), faces.sizes)
        for wanted in (True, False)
    )
    return usable, unusable


def align_faces(
    images: torch.Tensor,
    faces: Faces,
    size: int,
    template: Template | str = "gpen",
    *,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, tuple[Alignment, ...]]:
    """Cut out faces, upright, with their landmarks at the positions of the template.

    Only the surroundings of a face are read, so the size of the image does not matter. The image is extended by
    reflection beyond its border, since a black wedge would be restored as part of the face.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: faces detected in these images.
        size: side S of the square crops in pixels.
        template: landmark template of the crops; each checkpoint needs the one it was trained with.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N x 3 x S x S in 0..1, in the order of `faces` (0 x 3 x S x S if there are none), and an alignment for each.

    Raises:
        ImageError: the images are not those of the faces, or landmarks are unusable.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.faces.align import align_faces
        >>> from gpen_blocks.gpen.types import Face, Faces
        >>> face = Face((60, 60, 140, 160), 0.9, [[80, 90], [120, 90], [100, 115], [85, 135], [115, 135]])
        >>> crops, (alignment,) = align_faces(torch.full((1, 3, 200, 200), 0.5), Faces((face,), ((200, 200),)), 256)
        >>> crops.shape, alignment.matrix.shape
        (torch.Size([1, 3, 256, 256]), (2, 3))
    """
    require_images(images)
    if template not in TEMPLATES:
        raise SettingsError(f"There is no landmark template {template!r}; choose from {', '.join(TEMPLATES)}.")
    found_on = set(faces.sizes)
    if len(faces.sizes) != len(images) or found_on - {(images.shape[-2], images.shape[-1])}:
        raise ImageError(
            f"The faces were found on {count(len(faces.sizes), 'image')} of sizes {sorted(found_on)}, but the images "
            f"are {tuple(images.shape)}; detect on the images that are to be aligned."
        )
    if not len(faces):
        return images.new_zeros((0, 3, size, size)), ()
    matrices = estimate_similarity_matrix(np.stack([face.landmarks for face in faces]), TEMPLATES[template] * size)
    alignments = tuple(
        Alignment(matrix, template, size, faces.sizes[face.image_index], face)
        for matrix, face in zip(matrices, faces, strict=True)
    )
    # The channels of a pixel lie side by side, as in ComfyUI, so that nobody copies all crops once more.
    crops = images.new_empty((len(alignments), size, size, 3)).movedim(-1, 1)
    for (n, alignment), _ in each(list(enumerate(alignments)), progress):
        crops[n : n + 1] = crop_aligned(images, alignment)
    signed = tuple(replace(alignment, signature=look_at(images, alignment).tobytes()) for alignment in alignments)
    return crops, signed


def crop_aligned(images: torch.Tensor, alignment: Alignment, size: int | None = None) -> torch.Tensor:
    """Cut the crop of an alignment, at its own or another size.

    Enlarging is bilinear, as in GPEN's and facexlib's scripts (OpenCV's `warpAffine` with INTER_LINEAR, which it also
    uses for the INTER_AREA requested by GPEN), since the networks were trained on such crops. Reducing is anti-aliased,
    unlike theirs.

    Args:
        images: B x 3 x H x W in 0..1; the alignment says which of them.
        alignment: position of the crop.
        size: side S of the crop; by default that of the alignment.

    Returns:
        1 x 3 x S x S in 0..1.
    """
    size = size or alignment.crop_size
    matrix = crop_to_image_matrix(alignment, size)
    mode = "bilinear" if matrix_scale(matrix) <= 1 else "bicubic"
    image = images[alignment.image_index : alignment.image_index + 1]
    return warp(image, matrix, (size, size), mode=mode).clamp(0, 1)


def look_at(images: torch.Tensor, alignment: Alignment) -> np.ndarray:
    """The crop of an alignment in 8 x 8 pixels of luma: 64 values, uint8; see `looks`."""
    small = luma(crop_aligned(images, alignment, LOOK_SIDE).float())
    return small.mul(255).round_().byte().flatten().cpu().numpy()


def crop_to_image_matrix(alignment: Alignment, size: int) -> np.ndarray:
    """The 2 x 3 matrix from a crop, resized to another side, to the image."""
    scale = alignment.crop_size / size
    return compose(alignment.inverse, resize_matrix(scale, scale))


def cut_around(images: torch.Tensor, alignment: Alignment, reach: float, size: int) -> torch.Tensor:
    """Cut the crop of an alignment with its surroundings, around the same centre.

    Args:
        images: B x 3 x H x W in 0..1; the alignment says which of them.
        alignment: position of the crop.
        reach: width as a multiple of the crop's.
        size: side S of the result.

    Returns:
        1 x 3 x S x S in 0..1.
    """
    scale = reach * alignment.crop_size / size
    middle = (alignment.crop_size - 1) / 2
    first = middle - scale * (size - 1) / 2
    matrix = compose(alignment.inverse, np.array([[scale, 0.0, first], [0.0, scale, first]]))
    image = images[alignment.image_index : alignment.image_index + 1]
    return warp(image, matrix, (size, size), mode="bilinear").clamp(0, 1)

"""68 landmarks from the small bundled network.

Its input is a grey, upright crop of a face, cut with the five landmarks. Each point is the expectation of a heat map
(integral regression: Sun et al., "Integral Human Pose Regression", ECCV 2018). All faces of a call are processed
together, each with its mirror image. weights/bundled/MODEL_CARD.md describes the training.

Convention: points are (x, y) in units of the crop's side, with the corner of its top-left pixel at (0, 0), unless noted
otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...pixels.color import luma
from ...pixels.warp import matrix_scale, transform_points, warp
from ...types import Face, invert_matrix
from ..align import estimate_similarity_matrix
from ..detection.refine import MEAN_SHAPE, expectation, mirror_points
from ..layers import convolution, normalize
from ..loading import load_strictly
from ..masks.parts import five_of_68

CROP = 64
POINTS = 68
# Positions of the five landmarks of an upright face in the crop, with space for brows, chin and the jaw of a turned
# head.
EYE_DISTANCE = 0.32
_BETWEEN_EYES = (0.5, 0.28)
CROP_SHAPE = (np.array(MEAN_SHAPE) - (0.5, MEAN_SHAPE[0][1])) * (
    EYE_DISTANCE / (MEAN_SHAPE[1][0] - MEAN_SHAPE[0][0])
) + _BETWEEN_EYES
# Index of each landmark in the mirror image.
MIRRORED68 = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # outer edge of the lips
    *(64, 63, 62, 61, 60, 67, 66, 65),  # inner edge
)
# The second pass cuts its crop with the result of the first.
LOOKS = 2


class Landmarker68(nn.Module):
    """Normalised grey crops N x 1 x 64 x 64 to 68 landmarks in iBUG order, N x 68 x 2 in units of the crop's side."""

    chunk = 64

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(convolution(1, 24, 2), convolution(24, 48, 2), convolution(48, 48))
        self.middle = nn.Sequential(convolution(48, 80, 2), convolution(80, 80))
        self.coarse = nn.Sequential(convolution(80, 128, 2), convolution(128, 128), convolution(128, 128))
        self.widen_coarse = nn.Conv2d(128, 80, 1)
        self.merge_middle = convolution(80, 80)
        self.widen_middle = nn.Conv2d(80, 48, 1)
        self.merge_fine = convolution(48, 48)
        self.maps = nn.Conv2d(48, POINTS, 1)

    def forward(self, crops: Tensor) -> Tensor:
        fine = self.fine(crops)  # N x 48 x 16 x 16
        middle = self.middle(fine)  # N x 80 x 8 x 8
        coarse = self.coarse(middle)  # N x 128 x 4 x 4
        middle = self.merge_middle(middle + _doubled(self.widen_coarse(coarse)))
        fine = self.merge_fine(fine + _doubled(self.widen_middle(middle)))
        return expectation(self.maps(fine).float())

    def locate(self, images: Tensor, faces: Sequence[Face]) -> np.ndarray:
        """Find the landmarks of faces.

        1. Cut out each face upright, with the similarity that maps its five landmarks to `CROP_SHAPE`.
        2. Average the results for the crop and its mirror image.
        3. Repeat once, starting from the five landmarks in the result.

        Args:
            images: B x 3 x H x W in 0..1.
            faces: N faces, N at least 1, with their `image_index`.

        Returns:
            N x 68 x 2 float64 in the images' pixels, pixel centres at integers.

        Raises:
            ImageError: the five landmarks of a face all coincide.
        """
        five = np.stack([face.landmarks for face in faces]).astype(np.float64)
        found = np.empty((len(faces), POINTS, 2))
        for _ in range(LOOKS):
            matrices = [invert_matrix(matrix) for matrix in estimate_similarity_matrix(five, CROP_SHAPE * CROP - 0.5)]
            crops = [_cut(images, face.image_index, matrix) for face, matrix in zip(faces, matrices, strict=True)]
            in_crops = self._answer(torch.cat(crops)) * CROP - 0.5
            found = np.stack(
                [transform_points(matrix, points) for points, matrix in zip(in_crops, matrices, strict=True)]
            )
            five = five_of_68(found)
        return found

    @torch.inference_mode()
    def _answer(self, crops: Tensor) -> np.ndarray:
        """Mean of the results for crops and their mirror images."""
        crops = normalize(crops).to(self.maps.weight)
        seen, reflected = self(torch.cat([crops, crops.flip(-1)])).cpu().double().chunk(2)
        return ((seen + mirror(reflected)) / 2).numpy()


def mirror(points: Tensor) -> Tensor:
    """68 landmarks of the mirrored crop: N x 68 x 2 in units of the side."""
    return mirror_points(points, MIRRORED68)


def is_landmarker68(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether the tensors belong to this network, judged by its first and last layers."""
    return "fine.0.0.weight" in state_dict and "maps.weight" in state_dict


def build_landmarker68(state_dict: Mapping[str, Tensor]) -> Landmarker68:
    """Build the network in eval mode and load it strictly; raises CheckpointError."""
    fault = "The 68-point landmark network is incomplete or altered; install the package again"
    network = load_strictly(Landmarker68(), state_dict, fault)
    return network.eval().requires_grad_(False)


def _doubled(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


def _cut(images: Tensor, index: int, matrix: np.ndarray) -> Tensor:
    """One grey crop, 1 x 1 x CROP x CROP; `matrix` maps its pixels to those of the image."""
    mode = "bilinear" if matrix_scale(matrix) <= 1 else "bicubic"
    return luma(warp(images[index : index + 1], matrix, (CROP, CROP), mode=mode).clamp(0, 1).float())

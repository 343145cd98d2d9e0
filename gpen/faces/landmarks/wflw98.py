"""68 landmarks from facexlib's 98-point network, if its file is on this machine and the setting selects it.

The network is that of AdaptiveWingLoss: four stacked hourglasses, trained on WFLW (Wang, Bo and Li, "Adaptive Wing Loss
for Robust Face Alignment via Heatmap Regression", ICCV 2019), see `hourglass.py`.

Convention: points are (x, y), pixel centres at integers, in pixels of the image, the crop or the heat map they belong
to. A crop has 256 x 256 pixels; each pixel of its 64 x 64 heat maps covers 4 x 4 of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from ...pixels.warp import compose, matrix_scale, resize_matrix, shift_matrix, warp
from ...types import Face, Size
from ..align import TEMPLATES, estimate_similarity_matrix
from ..loading import load_strictly
from ..masks.contour import pose_head
from .hourglass import StackedHourglasses

_CROP: Size = (256, 256)
_HOURGLASSES, _POINTS = 4, 98
# Side of the crop in mean sides of the box around its 98 points, as in AdaptiveWingLoss: convert_WFLW.py takes 1.6
# times the box enlarged by 5 %, and dataloader.py the central 360 of its 450 pixels.
_MARGIN = 1.05 * 1.6 * 360 / 450
# The outermost of the 98 points on the head of `pose_head`: the jaw beside the ears, the brows, the chin.
_OUTERMOST = np.array([[-1.09, 0.0, -0.85], [1.09, 0.0, -0.85], [0.0, -0.34, 0.0], [0.0, 1.85, 0.0]])

# Indices of iBUG's 68 points among WFLW's 98 (DLIB_68_TO_WFLW_98_IDX_MAPPING). Brows follow their upper edge;
# facexlib's own conversion uses the middle of the brow for eight points.
_OF_98 = (
    *range(0, 33, 2),  # jaw
    *(33, 34, 35, 36, 37, 42, 43, 44, 45, 46),  # brows
    *range(51, 60),  # nose
    *(60, 61, 63, 64, 65, 67, 68, 69, 71, 72, 73, 75),  # eyes
    *range(76, 96),  # mouth
)


class Landmarker98(nn.Module):
    """RGB crops N x 3 x 256 x 256 in 0..1 to heat maps N x 98 x 64 x 64, one for each WFLW point.

    Args:
        network: returns the heat maps of each hourglass, N x 99 x 64 x 64; the last map shows the edges of the face.
    """

    # Crops per forward pass; each needs about 70 MB.
    chunk = 8

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval().requires_grad_(False)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return self.network(crops)[-1][:, :_POINTS]

    def locate(self, images: torch.Tensor, faces: Sequence[Face]) -> np.ndarray:
        """Find the landmarks of faces.

        1. Rotate each face upright with its five landmarks and cut it as in the training: a square around the expected
           points. The image is extended by reflection beyond its border.
        2. Take the peak of each heat map, with a precision of a quarter of its pixels.
        3. Map the 98 points back to the image and keep 68 of them.

        Args:
            images: B x 3 x H x W in 0..1.
            faces: N faces, N at least 1, with their `image_index`.

        Returns:
            N x 68 x 2 float64 in the images' pixels.

        Raises:
            ImageError: the five landmarks of a face all coincide.
        """
        matrices = [_crop_to_image_matrix(face.landmarks) for face in faces]
        crops = [_cut(images, face.image_index, matrix) for face, matrix in zip(faces, matrices, strict=True)]
        with torch.inference_mode():
            maps = self(torch.cat(crops).to(next(self.parameters())))
        peaks = find_peaks(maps.float()).cpu().numpy().astype(np.float64)
        to_crop = resize_matrix(_CROP[1] / maps.shape[-1], _CROP[0] / maps.shape[-2])
        to_image = np.stack([compose(matrix, to_crop) for matrix in matrices])
        return to_68(peaks @ to_image[:, :, :2].swapaxes(1, 2) + to_image[:, None, :, 2])


def is_landmarker98(state_dict: Mapping[str, torch.Tensor]) -> bool:
    """Whether the tensors belong to this network, judged by its last hourglass."""
    return f"l{_HOURGLASSES - 1}.weight" in state_dict


def build_landmarker98(state_dict: Mapping[str, torch.Tensor]) -> Landmarker98:
    """Build the 98-point network and load it strictly.

    Args:
        state_dict: a flat state dict; `weights.checkpoint.read` extracts that of `alignment_WFLW_4HG.pth`, which is
            under "state_dict".

    Raises:
        CheckpointError: the tensors are incomplete or altered.
    """
    network = StackedHourglasses(_HOURGLASSES, _POINTS)
    return Landmarker98(load_strictly(network, state_dict, "The landmark checkpoint does not fit its network"))


def find_peaks(maps: torch.Tensor) -> torch.Tensor:
    """Positions of the maxima of heat maps, shifted by a quarter pixel towards the higher neighbour along each axis.

    facexlib's `calculate_points` returns the same plus half a pixel, except at the border: there it compares with
    pixels of other rows, while here the border is replicated.

    Args:
        maps: N x K x H x W.

    Returns:
        N x K x 2 in the dtype of `maps`.
    """
    height, width = maps.shape[-2:]
    flat = maps.flatten(2)
    peak = flat.argmax(dim=-1)
    x, y = peak % width, peak.div(width, rounding_mode="floor")

    def at(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
        return flat.gather(2, index[..., None])[..., 0]

    higher = torch.stack([at(x + 1, y) - at(x - 1, y), at(x, y + 1) - at(x, y - 1)], dim=-1).sign()
    return torch.stack([x, y], dim=-1) + higher / 4


def to_68(landmarks98: np.ndarray) -> np.ndarray:
    """Select the 68 landmarks in iBUG order from the 98 of WFLW: ... x 98 x 2 to ... x 68 x 2."""
    return landmarks98[..., _OF_98, :]


def _crop_to_image_matrix(landmarks: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix from the upright crop around a face to the image, from its five landmarks."""
    similarity = estimate_similarity_matrix(landmarks, TEMPLATES["ffhq"])
    turn = similarity[:, :2] / matrix_scale(similarity)
    between_eyes, projection = pose_head(landmarks)
    upright = np.concatenate([landmarks, between_eyes + _OUTERMOST @ projection.T]) @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    scale = _MARGIN * (high - low).mean() / _CROP[0]
    corner = (low + high) / 2 - scale * (np.array(_CROP) - 1) / 2
    turn_back = np.column_stack([turn.T, np.zeros(2)])
    return compose(turn_back, compose(shift_matrix(*corner), np.array([[scale, 0, 0], [0, scale, 0]])))


def _cut(images: torch.Tensor, index: int, matrix: np.ndarray) -> torch.Tensor:
    """1 x 3 x 256 x 256; enlarged bilinearly, as in facexlib, and reduced with anti-aliasing."""
    mode = "bilinear" if matrix_scale(matrix) <= 1 else "bicubic"
    return warp(images[index : index + 1], matrix, _CROP, mode=mode).clamp(0, 1)

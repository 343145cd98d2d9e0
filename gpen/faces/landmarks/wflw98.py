"""68 landmarks from the 98-point network that facexlib offers, for those who have its file and ask for it.

The network is AdaptiveWingLoss's: four stacked hourglasses, taught on WFLW (Wang, Bo and Li, "Adaptive Wing Loss for
Robust Face Alignment via Heatmap Regression", ICCV 2019), see `hourglass.py`.

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
# Side of the crop in mean sides of the box around its 98 points, as AdaptiveWingLoss cuts WFLW: convert_WFLW.py takes
# the box, 5 % larger, times 1.6, and dataloader.py the middle 360 of the 450 pixels of that.
_MARGIN = 1.05 * 1.6 * 360 / 450
# The outermost of the 98 points on the head that `pose_head` poses: the jaw beside the ears, the brows, the chin.
_OUTERMOST = np.array([[-1.09, 0.0, -0.85], [1.09, 0.0, -0.85], [0.0, -0.34, 0.0], [0.0, 1.85, 0.0]])

# Which of WFLW's 98 points is which of iBUG's 68: the map known as DLIB_68_TO_WFLW_98_IDX_MAPPING. Brows are taken
# along their upper edge; facexlib's own conversion takes the middle of the brow for eight of their points.
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
        network: gives the heat maps of each hourglass, N x 99 x 64 x 64; the last of them shows the edges of the face.
    """

    # Crops a forward pass; each needs about 70 MB.
    chunk = 8

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval().requires_grad_(False)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return self.network(crops)[-1][:, :_POINTS]

    def locate(self, images: torch.Tensor, faces: Sequence[Face]) -> np.ndarray:
        """The landmarks of some faces.

        1. Each face is turned upright by its five landmarks and cut as the network was taught: a square around the
           points it is to find. Beyond its border the image goes on as its mirror image.
        2. Each point is the peak of its heat map, to a quarter of a heat map's pixel.
        3. The 98 points are carried back into the image, and 68 of them kept.

        Args:
            images: B x 3 x H x W in 0..1.
            faces: N of them, N at least 1; `image_index` says on which image each lies.

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
    """Whether these are the tensors of this network, by the last of its hourglasses."""
    return f"l{_HOURGLASSES - 1}.weight" in state_dict


def build_landmarker98(state_dict: Mapping[str, torch.Tensor]) -> Landmarker98:
    """Build the 98-point network and load it strictly.

    Args:
        state_dict: a plain state dict; that of `alignment_WFLW_4HG.pth` lies under "state_dict", where
            `weights.checkpoint.read` finds it.

    Raises:
        CheckpointError: the tensors are incomplete or altered.
    """
    network = StackedHourglasses(_HOURGLASSES, _POINTS)
    return Landmarker98(load_strictly(network, state_dict, "The landmark checkpoint does not fit its network"))


def find_peaks(maps: torch.Tensor) -> torch.Tensor:
    """Where heat maps are highest, moved by a quarter of a pixel towards the higher neighbour of each axis.

    facexlib's `calculate_points` gives the same plus half a pixel, except along the border: there it compares with
    pixels of other rows, and here the border goes on as it is.

    Args:
        maps: N x K x H x W.

    Returns:
        N x K x 2 of the type of `maps`.
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
    """The 68 landmarks in iBUG order among the 98 of WFLW: ... x 98 x 2 to ... x 68 x 2."""
    return landmarks98[..., _OF_98, :]


def _crop_to_image_matrix(landmarks: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix to the image from the upright crop around a face, from its five landmarks."""
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
    """1 x 3 x 256 x 256; enlarged bilinearly, as facexlib does, and reduced with anti-aliasing."""
    mode = "bilinear" if matrix_scale(matrix) <= 1 else "bicubic"
    return warp(images[index : index + 1], matrix, _CROP, mode=mode).clamp(0, 1)

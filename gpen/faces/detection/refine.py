"""Refine the five landmarks on a small upright crop of each detected face.

The detector predicts all landmarks of a small face from one cell of a stride-8 map. `LandmarkRefiner` uses a crop
rotated upright by that first estimate, and computes each landmark as the expectation of a heat map (integral
regression: Sun et al., "Integral Human Pose Regression", ECCV 2018). A second pass starts from the better estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...pixels.resize import resize
from ...progress import Steps, each, no_steps
from ..layers import convolution, normalize
from ..loading import load_strictly

CROP = 64
LOOKS = 2
CHUNK = 64  # crops a forward pass
# Positions of the landmarks of an upright face in the crop, in units of its side: the mean shape of the teacher's
# results on the training faces, scaled to an eye distance of 0.34.
MEAN_SHAPE = ((0.33, 0.354), (0.67, 0.354), (0.50, 0.550), (0.359, 0.696), (0.641, 0.696))
MIRRORED = (1, 0, 2, 4, 3)  # index of each landmark in the mirror image


class LandmarkRefiner(nn.Module):
    """Normalised grey crops N x 1 x 64 x 64 to landmarks N x 5 x 2 in units of the crop's side."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(convolution(1, 24, 2), convolution(24, 32))
        self.middle = nn.Sequential(convolution(32, 64, 2), convolution(64, 64))
        self.coarse = nn.Sequential(convolution(64, 128, 2), convolution(128, 128), convolution(128, 128))
        self.widen = nn.Conv2d(128, 64, 1)
        self.merge = convolution(64, 64)
        self.maps = nn.Conv2d(64, 5, 1)

    def forward(self, crops: Tensor) -> Tensor:
        middle = self.middle(self.fine(crops))  # N x 64 x 16 x 16
        coarse = self.widen(self.coarse(middle))  # N x 64 x 8 x 8
        merged = self.merge(middle + F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False))
        return expectation(self.maps(merged))  # of N x 5 x 16 x 16


def expectation(maps: Tensor) -> Tensor:
    """Expected positions of heat maps N x P x S x S, before their softmax: N x P x 2 in units of the side."""
    side = maps.shape[-1]
    weight = maps.flatten(2).softmax(-1).view_as(maps)
    centres = (torch.arange(side, device=maps.device, dtype=maps.dtype) + 0.5) / side
    x = (weight.sum(2) * centres).sum(-1)
    y = (weight.sum(3) * centres).sum(-1)
    return torch.stack([x, y], dim=-1)


def mirror_points(points: Tensor, order: Sequence[int]) -> Tensor:
    """Landmarks of the mirrored crop, N x P x 2 in units of the side; `order` gives the new indices."""
    return torch.stack([1 - points[..., 0], points[..., 1]], dim=-1)[:, list(order)]


def load_refiner(state_dict: Mapping[str, Tensor]) -> LandmarkRefiner:
    """Build the refiner and load it strictly; raises CheckpointError."""
    fault = "The landmark refiner of this face detector is incomplete or altered"
    return load_strictly(LandmarkRefiner(), state_dict, fault)


def crop_frames(landmarks: Tensor) -> Tensor:
    """Least-squares similarity from crop coordinates (units of the side) to the picture: maps MEAN_SHAPE to the
    landmarks.

    Args:
        landmarks: N x 5 x 2.

    Returns:
        N x 2 x 3 matrices.
    """
    shape = landmarks.new_tensor(MEAN_SHAPE)
    centre, target_centre = shape.mean(0), landmarks.mean(1, keepdim=True)
    source, target = shape - centre, landmarks - target_centre
    energy = source.square().sum()
    a = (source * target).sum((1, 2)) / energy
    b = (source[:, 0] * target[..., 1] - source[:, 1] * target[..., 0]).sum(1) / energy
    linear = torch.stack([torch.stack([a, -b], -1), torch.stack([b, a], -1)], dim=1)
    offset = target_centre.mT - linear @ centre.view(2, 1)
    return torch.cat([linear, offset], dim=2)


def _cut(image: Tensor, frame: Tensor) -> Tensor:
    """One grey crop 1 x CROP x CROP of a 3 x H x W image along a frame, with no aliasing.

    Only the part of the image under the crop is read, and reduced to about the crop's resolution before sampling.
    """
    corners = frame.new_tensor([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=frame.dtype) @ frame.mT
    height, width = image.shape[1:]
    low, high = corners.amin(0).floor().int().tolist(), corners.amax(0).ceil().int().tolist()
    x0, y0 = min(max(low[0] - 2, 0), width - 1), min(max(low[1] - 2, 0), height - 1)
    x1, y1 = max(min(high[0] + 2, width), x0 + 1), max(min(high[1] + 2, height), y0 + 1)
    part = image[:, y0:y1, x0:x1]
    # BT.601, the grey of OpenCV that it was taught with (`training.shared.face_crops`), not the luma of `pixels.color`.
    grey = (0.299 * part[:1]).add_(part[1:2], alpha=0.587).add_(part[2:], alpha=0.114)[None]
    shrink = CROP / max(float(frame[:, 0].norm()), 1e-6)
    if shrink < 1:
        size = [max(round(side * shrink), 1) for side in grey.shape[2:]]
        grey = resize(grey, (size[0], size[1]), "bilinear")
    # From crop coordinates to grid_sample's -1..1 over the part.
    steps = (torch.arange(CROP, device=image.device, dtype=frame.dtype) + 0.5) / CROP
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ frame.mT
    start, extent = frame.new_tensor([x0, y0]), frame.new_tensor([x1 - x0, y1 - y0])
    grid = (2 * (points - start) / extent - 1)[None]
    return F.grid_sample(grey, grid, mode="bilinear", padding_mode="border", align_corners=False)[0]


def refine_landmarks(
    image: Tensor, landmarks: np.ndarray, refiner: LandmarkRefiner, *, progress: Steps = no_steps
) -> np.ndarray:
    """Refine the landmarks of detected faces.

    1. Cut an upright grey crop with the similarity of the current landmarks.
    2. Average the results for the crop and its mirror image.
    3. Map them back, and repeat (`LOOKS` times in total).

    Args:
        image: 3 x H x W in 0..1.
        landmarks: N x 5 x 2 in the detector's coordinates.
        refiner: the refiner, already on its device.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N x 5 x 2 float32 in the same coordinates.
    """
    if len(landmarks) == 0:
        return landmarks
    device = next(refiner.parameters()).device
    points = torch.as_tensor(landmarks, dtype=torch.float32)
    for _, steps in each(range(LOOKS), progress):
        frames = crop_frames(points)
        answers = []
        for chunk, _ in each(frames.split(CHUNK), steps):
            crops = normalize(torch.stack([_cut(image, frame.to(image.device)) for frame in chunk]).to(device))
            seen, reflected = refiner(torch.cat([crops, crops.flip(-1)])).float().cpu().chunk(2)
            answers.append((seen + mirror_points(reflected, MIRRORED)) / 2)
        parts = torch.cat(answers)
        points = parts @ frames[:, :, :2].mT + frames[:, :, 2].unsqueeze(1)
    return points.numpy()

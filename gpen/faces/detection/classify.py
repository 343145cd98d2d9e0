"""Check detections with a classifier: is it a face, and which way up is it?

`FaceClassifier` sees a square crop around each box with some surroundings. Unlike a single cell of the detector, it can
tell whether the box frames a face and not an ear, the gap between two heads or a head with shoulders.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...pixels.warp import warp
from ...progress import Steps, each, no_steps
from ..layers import Residual, convolution, normalize
from ..loading import load_strictly

CROP = 64
CHUNK = 64  # crops a forward pass
# Side of the crop relative to that of a square with the box's area.
CONTEXT = 1.7
QUARTERS = 4


class FaceClassifier(nn.Module):
    """Normalised crops N x 3 x 64 x 64 to logits N x 5: face, and upright or rotated clockwise by 90, 180 or 270
    degrees.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(3, 24, 2),
            convolution(24, 48, 2),
            Residual(48),
            convolution(48, 96, 2),
            Residual(96),
            convolution(96, 128, 2),
            Residual(128),
        )
        self.head = nn.Linear(128, 1 + QUARTERS)

    def forward(self, crops: Tensor) -> Tensor:
        return self.head(self.body(crops).mean((2, 3)))


def load_classifier(state_dict: Mapping[str, Tensor]) -> FaceClassifier:
    """Build the classifier and load it strictly; raises CheckpointError."""
    return load_strictly(FaceClassifier(), state_dict, "The face classifier of this detector is incomplete or altered")


def crop_matrix(box: Tensor) -> Tensor:
    """2 x 3 float64 matrix from pixels of the crop around a box (x0, y0, x1, y1) to those of the picture."""
    x0, y0, x1, y1 = box.double().tolist()
    step = CONTEXT * max((x1 - x0) * (y1 - y0), 1.0) ** 0.5 / CROP
    middle = (CROP - 1) / 2
    return torch.tensor(
        [[step, 0, (x0 + x1) / 2 - step * middle], [0, step, (y0 + y1) / 2 - step * middle]], dtype=torch.float64
    )


def classify(
    image: Tensor, boxes: Tensor, classifier: FaceClassifier, *, progress: Steps = no_steps
) -> tuple[Tensor, Tensor]:
    """Classify boxes.

    The results for the crop and for its mirror image are averaged.

    Args:
        image: 3 x H x W in 0..1.
        boxes: N x 4 in its pixels.
        classifier: the classifier, already on its device.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N probabilities of a face, and N x 4 probabilities that it is upright or rotated clockwise by 90, 180 or 270
        degrees.
    """
    if len(boxes) == 0:
        return torch.zeros(0), torch.zeros(0, QUARTERS)
    device = next(classifier.parameters()).device
    faces, quarters = [], []
    for chunk, _ in each(boxes.split(CHUNK), progress):
        cut = [
            warp(image[None], crop_matrix(box).numpy(), (CROP, CROP), mode="bilinear", border="border") for box in chunk
        ]
        crops = normalize(torch.cat(cut).float().to(device))
        seen, reflected = classifier(torch.cat([crops, crops.flip(-1)])).float().cpu().chunk(2)
        faces.append((seen[:, 0].sigmoid() + reflected[:, 0].sigmoid()) / 2)
        # In the mirror image, right and left rotations are swapped.
        turns = (seen[:, 1:].softmax(1), reflected[:, 1:].softmax(1)[:, [0, 3, 2, 1]])
        quarters.append((turns[0] + turns[1]) / 2)
    return torch.cat(faces), torch.cat(quarters)

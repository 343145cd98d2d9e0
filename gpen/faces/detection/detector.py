"""The face detector: RetinaFace with an optional landmark refiner and classifier."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..layers import fold_batch_norm, fuse_activations
from .classify import FaceClassifier
from .refine import LandmarkRefiner, load_refiner
from .retinaface import (
    RetinaFace,
    absorb_input_scale,
    load_retinaface,
    subtract_mean,
    to_network,
)

REFINER_PREFIX = "refine."
# Default threshold for a network without a measured one.
SCORE_THRESHOLD = 0.7


class FaceDetector(nn.Module):
    """A RetinaFace with an optional landmark refiner and classifier, in eval mode and without gradients.

    Attributes:
        score_threshold: default minimum confidence of a face. Scores of different networks, with and without a
            classifier, are not comparable.
    """

    def __init__(
        self,
        network: RetinaFace,
        refiner: LandmarkRefiner | None,
        classifier: FaceClassifier | None = None,
        score_threshold: float = SCORE_THRESHOLD,
    ) -> None:
        super().__init__()
        self.network = network
        self.refiner = refiner
        self.classifier = classifier
        self.score_threshold = score_threshold
        self.frozen = False
        self.eval().requires_grad_(False)

    def freeze(self) -> FaceDetector:
        """Fold normalisations and activations into the convolutions, in place: the same results in half the time.

        Afterwards the networks cannot be trained, and pictures for the detector must be prepared by `forward`.
        """
        if not self.frozen:
            absorb_input_scale(self.network)
            for network in filter(None, (self.network, self.refiner, self.classifier)):
                fold_batch_norm(network)
                network.to(memory_format=torch.channels_last)
            fuse_activations(self.network)
            self.frozen = True
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images B x 3 x H x W in 0..1 to scores B x N and regressions: boxes B x N x 4, landmarks B x N x 10."""
        boxes, logits, landmarks = self.network(subtract_mean(images) if self.frozen else to_network(images))
        # Equal to the second of two softmax values.
        return (logits[..., 1] - logits[..., 0]).sigmoid(), boxes, landmarks


def build_detector(
    state_dict: Mapping[str, Tensor],
    classifier: FaceClassifier | None = None,
    score_threshold: float = SCORE_THRESHOLD,
) -> FaceDetector:
    """Build a face detector from the tensors of a checkpoint.

    Args:
        state_dict: a RetinaFace (mobile0.25 or ResNet-50) with facexlib's tensor names, with or without the
            prefix `module.`; tensors under `refine.` belong to a landmark refiner.
        classifier: checks the detections.
        score_threshold: see `FaceDetector`.

    Returns:
        The detector in eval mode, fp32, on the CPU.

    Raises:
        CheckpointError: the tensors are not those of a RetinaFace, or some are missing, unexpected or misshapen.
    """
    tensors = {str(key).removeprefix("module."): value for key, value in state_dict.items()}
    refiner = {
        key.removeprefix(REFINER_PREFIX): value for key, value in tensors.items() if key.startswith(REFINER_PREFIX)
    }
    network = {key: value for key, value in tensors.items() if not key.startswith(REFINER_PREFIX)}
    refine = load_refiner(refiner) if refiner else None
    return FaceDetector(load_retinaface(network), refine, classifier, score_threshold)

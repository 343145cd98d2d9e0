"""Feature maps of VGG-16, for comparing a restored face with the original."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ....weights import checkpoint
from ...errors import MissingPackageError
from ...evaluation.torch_hub import hub_file
from ...faces.loading import load_strictly

# Layers of the VGG-16 maps, and the mean and standard deviation of ImageNet, on which it was trained.
_MAPS = (3, 8, 15, 22)


_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Features(nn.Module):
    """Four feature maps of VGG-16, after the last ReLU before each pooling (Johnson et al. 2016)."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.eval().requires_grad_(False)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps of B x 3 x H x W pictures in 0..1."""
        x = (images - images.new_tensor(_MEAN).view(3, 1, 1)) / images.new_tensor(_DEVIATION).view(3, 1, 1)
        found = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in _MAPS:
                found.append(x)
        return found


def load_features() -> Features:
    """torchvision's VGG-16.

    Raises:
        ModelNotFoundError: its file is not in torch hub's folder.
        CheckpointError: the file belongs to another network.
        MissingPackageError: torchvision is not installed.
    """
    try:
        from torchvision.models import VGG16_Weights, vgg16
    except ImportError as error:
        raise MissingPackageError(
            f"The perceptual loss needs torchvision ({error}); install gpen-blocks[training]."
        ) from None

    path = hub_file(Path(str(VGG16_Weights.IMAGENET1K_V1.url)).name)
    network = vgg16()
    load_strictly(network, checkpoint.read(path).tensors, f"{path} is not torchvision's VGG-16")
    return Features(nn.Sequential(*list(network.features.children())[: max(_MAPS) + 1]))

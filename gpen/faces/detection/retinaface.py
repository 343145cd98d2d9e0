"""The RetinaFace network, built from a state dict, and the decoding of its outputs.

RetinaFace: Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019. The published weights are
facexlib's, and so are the names of the tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor, nn

from ...errors import CheckpointError
from ..loading import load_strictly
from .retinaface_blocks import ContextModule, FeaturePyramid, heads, mobilenet_body, resnet50_body

# Sides of the two anchors for each of the three strides, and the variances that scale the regressions (facexlib
# `retinaface.py`, generate_config; the same for both networks).
STRIDES = (8, 16, 32)
ANCHOR_SIZES = ((16, 32), (64, 128), (256, 512))
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2

# The input of the networks is BGR in 0..255 minus this mean (facexlib `retinaface.py`, mean_tensor).
MEAN_BGR = (104.0, 117.0, 123.0)

NETWORKS = {
    "mobile0.25": {"tapped": ("stage1", "stage2", "stage3"), "channels": (64, 128, 256), "width": 64},
    "resnet50": {"tapped": ("layer2", "layer3", "layer4"), "channels": (512, 1024, 2048), "width": 256},
}


class RetinaFace(nn.Module):
    """Backbone, feature pyramid, context modules and heads.

    Parameters have facexlib's names, so that its published state dicts can be loaded strictly.
    """

    def __init__(self, network: str) -> None:
        super().__init__()
        config = NETWORKS[network]
        width = config["width"]
        self.network = network
        self.tapped = config["tapped"]
        self.body = mobilenet_body() if network == "mobile0.25" else resnet50_body()
        self.fpn = FeaturePyramid(config["channels"], width)
        self.ssh1 = ContextModule(width)
        self.ssh2 = ContextModule(width)
        self.ssh3 = ContextModule(width)
        self.ClassHead = heads(width, 2)
        self.BboxHead = heads(width, 4)
        self.LandmarkHead = heads(width, 10)

    def maps(self, images: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Images from `to_network` to the three maps each of backbone, pyramid and context modules."""
        stages = []
        x = images
        for name, stage in self.body.items():
            x = stage(x)
            if name in self.tapped:
                stages.append(x)
        pyramid = self.fpn(stages)
        context = [ssh(level) for ssh, level in zip((self.ssh1, self.ssh2, self.ssh3), pyramid, strict=True)]
        return stages, pyramid, context

    def heads(self, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Context maps to box regressions B x N x 4, logits B x N x 2 and landmark regressions B x N x 10."""
        boxes, classes, landmarks = (
            torch.cat([head(level) for head, level in zip(group, features, strict=True)], dim=1)
            for group in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return boxes, classes, landmarks

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.heads(self.maps(images)[-1])


def to_network(images: Tensor) -> Tensor:
    """RGB B x 3 x H x W in 0..1 to the input of the network: BGR in 0..255 minus the mean, channels last."""
    mean = images.new_tensor(MEAN_BGR).view(1, 3, 1, 1)
    return (images.flip(1) * 255 - mean).contiguous(memory_format=torch.channels_last)


def subtract_mean(images: Tensor) -> Tensor:
    """RGB B x 3 x H x W in 0..1 to the input of a network after `absorb_input_scale`: minus the mean, channels last."""
    mean = images.new_tensor(MEAN_BGR[::-1]).view(1, 3, 1, 1) / 255
    shown = torch.empty(images.shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last)
    return torch.sub(images, mean, out=shown)


def absorb_input_scale(network: RetinaFace) -> None:
    """Change the first convolution in place to take RGB in 0..1 minus the mean; its padding remains the mean."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first.weight = nn.Parameter(first.weight.detach().flip(1) * 255, requires_grad=False)


@lru_cache(maxsize=16)
def anchors(height: int, width: int) -> Tensor:
    """The anchors of an image of this size, N x 3: centre x, centre y and side in pixels."""
    levels = []
    for stride, sides in zip(STRIDES, ANCHOR_SIZES, strict=True):
        y = (torch.arange(math.ceil(height / stride)) + 0.5) * stride
        x = (torch.arange(math.ceil(width / stride)) + 0.5) * stride
        grid = torch.cartesian_prod(y, x, torch.tensor(sides, dtype=torch.float32))
        levels.append(grid[:, [1, 0, 2]])
    return torch.cat(levels)


def decode_boxes(regressions: Tensor, chosen: Tensor) -> Tensor:
    """Box regressions N x 4 at anchors N x 3 to boxes (x0, y0, x1, y1) in pixels of the network's image."""
    centre = chosen[:, :2] + regressions[:, :2] * CENTRE_VARIANCE * chosen[:, 2:]
    half = chosen[:, 2:] * torch.exp(regressions[:, 2:] * SIZE_VARIANCE) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def decode_landmarks(regressions: Tensor, chosen: Tensor) -> Tensor:
    """Landmark regressions N x 10 at anchors N x 3 to points N x 5 x 2 in pixels of the network's image."""
    steps = regressions.view(-1, 5, 2) * CENTRE_VARIANCE * chosen[:, None, 2:]
    return chosen[:, None, :2] + steps


def network_of(state_dict: Mapping[str, Tensor]) -> str:
    """The entry of NETWORKS for a RetinaFace state dict; raises CheckpointError for other networks."""
    if "body.stage1.0.0.weight" in state_dict:
        return "mobile0.25"
    if "body.layer4.2.conv3.weight" in state_dict:
        return "resnet50"
    some = ", ".join(sorted(map(str, state_dict))[:3]) or "no tensors at all"
    raise CheckpointError(
        "This checkpoint is not a RetinaFace face detector (mobile0.25 or ResNet-50): it holds "
        f"{some}; choose a face detector's file."
    )


def load_retinaface(state_dict: Mapping[str, Tensor]) -> RetinaFace:
    """Build the network of a state dict and load it strictly; a prefix `module.` is removed."""
    tensors = {key.removeprefix("module."): value for key, value in state_dict.items()}
    network = RetinaFace(network_of(tensors))
    return load_strictly(network, tensors, "This RetinaFace checkpoint is incomplete or altered")

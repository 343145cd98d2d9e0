"""Building blocks of RetinaFace: backbones, feature pyramid, context modules and heads.

RetinaFace: Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019. Tensors have the names of
facexlib's `detection/retinaface_net.py`, with which the published weights come, and the residual network those of
torchvision; neither package is imported, because that takes longer than detecting the faces of a photograph.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Negative slope of the activations, and the number of channels above which pyramid and context modules use plain
# ReLUs.
_LEAKY = 0.1
_LEAKY_CHANNELS = 64
# Anchors per position of a map.
_ANCHORS = 2


def mobilenet_body() -> nn.ModuleDict:
    """MobileNet (Howard et al., 2017) at a quarter of its width; its stages give 64, 128 and 256 channels."""
    return nn.ModuleDict(
        {
            "stage1": nn.Sequential(
                _activated(3, 8, 3, 2, _LEAKY),
                _separable(8, 16),
                _separable(16, 32, 2),
                _separable(32, 32),
                _separable(32, 64, 2),
                _separable(64, 64),
            ),
            "stage2": nn.Sequential(_separable(64, 128, 2), *(_separable(128, 128) for _ in range(5))),
            "stage3": nn.Sequential(_separable(128, 256, 2), _separable(256, 256)),
        }
    )


def resnet50_body() -> nn.ModuleDict:
    """ResNet-50 (He et al., 2015) without its classifier; its layers give 256, 512, 1024 and 2048 channels."""
    return nn.ModuleDict(
        {
            "conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            "bn1": nn.BatchNorm2d(64),
            "relu": nn.ReLU(inplace=True),
            "maxpool": nn.MaxPool2d(3, 2, 1),
            "layer1": _residuals(64, 64, 3, 1),
            "layer2": _residuals(256, 128, 4, 2),
            "layer3": _residuals(512, 256, 6, 2),
            "layer4": _residuals(1024, 512, 3, 2),
        }
    )


class FeaturePyramid(nn.Module):
    """Three maps, fine to coarse, to three maps of the same sizes with the information of the coarser ones.

    Args:
        channels: channels of the maps.
        width: channels of the result.
    """

    def __init__(self, channels: tuple[int, int, int], width: int) -> None:
        super().__init__()
        slope = _slope(width)
        self.output1, self.output2, self.output3 = (_activated(count, width, 1, 1, slope) for count in channels)
        self.merge1 = _activated(width, width, 3, 1, slope)
        self.merge2 = _activated(width, width, 3, 1, slope)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = self.output1(maps[0]), self.output2(maps[1]), self.output3(maps[2])
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:], mode="nearest"))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:], mode="nearest"))
        return [fine, middle, coarse]


class ContextModule(nn.Module):
    """Parallel fields of view of 3, 5 and 7 pixels (SSH: Najibi et al., 2017); keeps the number of channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        slope = _slope(width)
        self.conv3X3 = _normalised(width, width // 2)
        self.conv5X5_1 = _activated(width, width // 4, 3, 1, slope)
        self.conv5X5_2 = _normalised(width // 4, width // 4)
        self.conv7X7_2 = _activated(width // 4, width // 4, 3, 1, slope)
        self.conv7x7_3 = _normalised(width // 4, width // 4)

    def forward(self, x: Tensor) -> Tensor:
        wider = self.conv5X5_1(x)
        maps = [self.conv3X3(x), self.conv5X5_2(wider), self.conv7x7_3(self.conv7X7_2(wider))]
        return torch.cat(maps, dim=1).relu_()


class Head(nn.Module):
    """Predictions for each anchor of a map: B x C x H x W to B x (H * W * 2) x `values`."""

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(width, _ANCHORS * values, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1x1(x).permute(0, 2, 3, 1).reshape(len(x), -1, self.values)


def heads(width: int, values: int) -> nn.ModuleList:
    """One head for each of the three maps of a pyramid."""
    return nn.ModuleList(Head(width, values) for _ in range(3))


class _Residual(nn.Module):
    """Residual block of three convolutions; the middle one has the stride, as in torchvision."""

    def __init__(self, into: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1 = nn.Conv2d(into, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        # Only the first block of a layer changes the shape. The name is that of torchvision.
        self.downsample = None
        if into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        passed = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)).add_(passed))


def _residuals(into: int, width: int, count: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Residual(into, width, stride), *(_Residual(4 * width, width, 1) for _ in range(count - 1)))


def _slope(width: int) -> float:
    return _LEAKY if width <= _LEAKY_CHANNELS else 0.0


def _normalised(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))


def _activated(into: int, out: int, kernel: int, stride: int, slope: float) -> nn.Sequential:
    convolution = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.LeakyReLU(slope, inplace=True))


def _separable(into: int, out: int, stride: int = 1) -> nn.Sequential:
    """A depthwise and a pointwise convolution."""
    return nn.Sequential(
        nn.Conv2d(into, into, 3, stride, 1, groups=into, bias=False),
        nn.BatchNorm2d(into),
        nn.LeakyReLU(_LEAKY, inplace=True),
        nn.Conv2d(into, out, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.LeakyReLU(_LEAKY, inplace=True),
    )

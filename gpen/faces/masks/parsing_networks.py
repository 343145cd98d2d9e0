"""The two networks for facial parsing, with the tensor names of facexlib's `parsing` package, which is not imported.

BiSeNet: Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018, on a
ResNet-18. ParseNet: the parsing network of Chen et al., "Progressive Semantic-Aware Style Transformation for Blind Face
Restoration", CVPR 2021 (PSFR-GAN).
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BiSeNet(nn.Module):
    """RGB, normalised, B x 3 x H x W (multiples of 32) to scores B x C x H x W.

    The checkpoint has two more heads, which were used only for training.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.cp = _ContextPath()
        self.ffm = _Fusion(256)
        self.conv_out = _Scores(256, 256, classes)
        self.conv_out16 = _Scores(128, 64, classes)
        self.conv_out32 = _Scores(128, 64, classes)

    def forward(self, x: Tensor) -> Tensor:
        fine, context = self.cp(x)
        scores = self.conv_out(self.ffm(fine, context))
        return F.interpolate(scores, x.shape[2:], mode="bilinear", align_corners=True)


class _Convolution(nn.Module):
    def __init__(self, into: int, out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Scores(nn.Module):
    def __init__(self, into: int, width: int, classes: int) -> None:
        super().__init__()
        self.conv = _Convolution(into, width)
        self.conv_out = nn.Conv2d(width, classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))


class _Attention(nn.Module):
    """Maps weighted by a function of their means."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = _Convolution(into, out)
        self.conv_atten = nn.Conv2d(out, out, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * self.bn_atten(self.conv_atten(_mean(x))).sigmoid()


class _ContextPath(nn.Module):
    """A picture to maps of 1/8 of its side: the fine maps of the residual network, and the context maps."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = _ResNet18()
        self.arm16 = _Attention(256, 128)
        self.arm32 = _Attention(512, 128)
        self.conv_head32 = _Convolution(128, 128)
        self.conv_head16 = _Convolution(128, 128)
        self.conv_avg = _Convolution(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine, middle, coarse = self.resnet(x)
        context = self.arm32(coarse) + self.conv_avg(_mean(coarse))
        context = self.conv_head32(F.interpolate(context, middle.shape[2:], mode="nearest"))
        context = self.arm16(middle) + context
        return fine, self.conv_head16(F.interpolate(context, fine.shape[2:], mode="nearest"))


class _Fusion(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.convblk = _Convolution(width, width, 1)
        self.conv1 = nn.Conv2d(width, width // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(width // 4, width, 1, bias=False)

    def forward(self, fine: Tensor, context: Tensor) -> Tensor:
        both = self.convblk(torch.cat([fine, context], dim=1))
        return both * self.conv2(F.relu(self.conv1(_mean(both)))).sigmoid() + both


class _ResNet18(nn.Module):
    """A picture to maps of 1/8, 1/16 and 1/32 of its side."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(_Basic(64, 64, 1), _Basic(64, 64, 1))
        self.layer2 = nn.Sequential(_Basic(64, 128, 2), _Basic(128, 128, 1))
        self.layer3 = nn.Sequential(_Basic(128, 256, 2), _Basic(256, 256, 1))
        self.layer4 = nn.Sequential(_Basic(256, 512, 2), _Basic(512, 512, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.layer1(self.maxpool(F.relu(self.bn1(self.conv1(x)))))
        fine = self.layer2(x)
        middle = self.layer3(fine)
        return fine, middle, self.layer4(middle)


class _Basic(nn.Module):
    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if into != out or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        passed = x if self.downsample is None else self.downsample(x)
        return F.relu(passed + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


def _mean(x: Tensor) -> Tensor:
    """Mean of each map: B x C x 1 x 1."""
    return F.avg_pool2d(x, x.shape[2:])


class ParseNet(nn.Module):
    """RGB in -1..1, B x 3 x 512 x 512, to scores B x C x 512 x 512.

    The checkpoint also has a head that generates the face, which was used only for training.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        sizes = (64, 128, 256, 256, 256)
        self.encoder = nn.Sequential(
            _Layer(3, 64, normalised=False),
            *(_Residual(into, out, "down") for into, out in pairwise(sizes)),
        )
        self.body = nn.Sequential(*(_Residual(256, 256) for _ in range(10)))
        self.decoder = nn.Sequential(
            *(_Residual(into, out, "up") for into, out in ((256, 256), (256, 256), (256, 128), (128, 64)))
        )
        self.out_img_conv = _Layer(64, 3, normalised=False)
        self.out_mask_conv = _Layer(64, classes, normalised=False)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        return self.out_mask_conv(self.decoder(features + self.body(features)))


class _Layer(nn.Module):
    """A 3 x 3 convolution with reflection padding, and optional scaling, normalisation and activation."""

    def __init__(
        self, into: int, out: int, scale: str = "", *, normalised: bool = True, activated: bool = False
    ) -> None:
        super().__init__()
        self.scale = scale
        self.conv2d = nn.Conv2d(into, out, 3, 2 if scale == "down" else 1, bias=not normalised)
        self.norm = nn.Module()
        if normalised:
            self.norm.norm = nn.BatchNorm2d(out)
        self.normalised = normalised
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        if self.scale == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = self.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        if self.normalised:
            x = self.norm.norm(x)  # type: ignore[operator]
        return F.leaky_relu(x, 0.2) if self.activated else x


class _Residual(nn.Module):
    def __init__(self, into: int, out: int, scale: str = "") -> None:
        super().__init__()
        self.shortcut_func = None if scale == "" and into == out else _Layer(into, out, scale, normalised=False)
        self.conv1 = _Layer(into, out, "up" if scale == "up" else "", activated=True)
        self.conv2 = _Layer(out, out, "down" if scale == "down" else "")

    def forward(self, x: Tensor) -> Tensor:
        passed = x if self.shortcut_func is None else self.shortcut_func(x)
        return passed + self.conv2(self.conv1(x))

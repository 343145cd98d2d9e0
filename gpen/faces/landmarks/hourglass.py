"""The network for 98 landmarks: four stacked hourglasses with coordinate convolutions.

AdaptiveWingLoss: Wang, Bo and Li, "Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression", ICCV 2019; the
coordinates: Liu et al., "An Intriguing Failing of Convolutional Neural Networks and the CoordConv Solution", 2018.
Tensors have the names of facexlib's `alignment/awing_arch.py`, which is not imported.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDTH = 256
_DEPTH = 4


class StackedHourglasses(nn.Module):
    """RGB N x 3 x 256 x 256 in 0..1 to the heat maps of each hourglass, N x (points + 1) x 64 x 64.

    Args:
        modules: number of hourglasses.
        points: number of landmarks; an additional map shows the edges of the face.
    """

    def __init__(self, modules: int, points: int) -> None:
        super().__init__()
        self.conv1 = _CoordinateConvolution(3 + 3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = _Block(64, 128)
        self.conv3 = _Block(128, 128)
        self.conv4 = _Block(128, _WIDTH)
        self.count = modules
        for index in range(modules):
            self.add_module(f"m{index}", _Hourglass(first=index == 0))
            self.add_module(f"top_m_{index}", _Block(_WIDTH, _WIDTH))
            self.add_module(f"conv_last{index}", nn.Conv2d(_WIDTH, _WIDTH, 1))
            self.add_module(f"bn_end{index}", nn.BatchNorm2d(_WIDTH))
            self.add_module(f"l{index}", nn.Conv2d(_WIDTH, points + 1, 1))
            if index < modules - 1:
                self.add_module(f"bl{index}", nn.Conv2d(_WIDTH, _WIDTH, 1))
                self.add_module(f"al{index}", nn.Conv2d(points + 1, _WIDTH, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.conv4(self.conv3(F.avg_pool2d(self.conv2(x), 2)))
        maps: list[Tensor] = []
        for index in range(self.count):
            seen = self._apply_named(f"m{index}", x, maps[-1] if maps else None)
            seen = self._apply_named(f"top_m_{index}", seen)
            seen = F.relu(self._apply_named(f"bn_end{index}", self._apply_named(f"conv_last{index}", seen)))
            maps.append(self._apply_named(f"l{index}", seen))
            if index < self.count - 1:
                x = x + self._apply_named(f"bl{index}", seen) + self._apply_named(f"al{index}", maps[-1])
        return maps

    def _apply_named(self, name: str, *inputs: Tensor | None) -> Tensor:
        return self.get_submodule(name)(*inputs)


class _CoordinateConvolution(nn.Module):
    """A convolution with the coordinates of each pixel in -1..1, and its distance from the centre in 0..1, as extra
    input.

    With heat maps, the coordinates of pixels along the edges of the face are added once more.
    """

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, stride, kernel // 2)

    def forward(self, x: Tensor, maps: Tensor | None = None) -> Tensor:
        across = torch.arange(x.shape[-1], device=x.device, dtype=torch.float32)
        down = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)
        across, down = across / (len(across) - 1) * 2 - 1, down / (len(down) - 1) * 2 - 1
        shape = (len(x), 1, *x.shape[-2:])
        columns, rows = across.expand(shape).to(x.dtype), down[:, None].expand(shape).to(x.dtype)
        radius = (columns.square() + rows.square()).sqrt()
        seen = [x, rows, columns, radius / radius.max()]
        if maps is not None:
            on_edge = maps[:, -1:].clamp(0, 1) > 0.05
            seen += [torch.where(on_edge, rows, 0), torch.where(on_edge, columns, 0)]
        return self.conv(torch.cat(seen, dim=1))


class _Hourglass(nn.Module):
    """Four levels down and up again, with the finer maps added."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.coordconv = _CoordinateConvolution(_WIDTH + (3 if first else 5), _WIDTH, 1)
        for level in range(_DEPTH, 0, -1):
            for name in (f"b1_{level}", f"b2_{level}", f"b3_{level}"):
                self.add_module(name, _Block(_WIDTH, _WIDTH))
        self.b2_plus_1 = _Block(_WIDTH, _WIDTH)

    def forward(self, x: Tensor, maps: Tensor | None) -> Tensor:
        return self._level(_DEPTH, self.coordconv(x, maps))

    def _level(self, level: int, x: Tensor) -> Tensor:
        beside = self.get_submodule(f"b1_{level}")(x)
        x = self.get_submodule(f"b2_{level}")(F.avg_pool2d(x, 2))
        x = self._level(level - 1, x) if level > 1 else self.b2_plus_1(x)
        x = self.get_submodule(f"b3_{level}")(x)
        return beside + F.interpolate(x, scale_factor=2, mode="nearest")


class _Block(nn.Module):
    """Residual block of three convolutions whose results are concatenated."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(into)
        self.conv1 = nn.Conv2d(into, out // 2, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out // 2)
        self.conv2 = nn.Conv2d(out // 2, out // 4, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out // 4)
        self.conv3 = nn.Conv2d(out // 4, out // 4, 3, 1, 1, bias=False)
        self.downsample = None
        if into != out:
            self.downsample = nn.Sequential(nn.BatchNorm2d(into), nn.ReLU(), nn.Conv2d(into, out, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(F.relu(self.bn1(x)))
        second = self.conv2(F.relu(self.bn2(first)))
        third = self.conv3(F.relu(self.bn3(second)))
        passed = x if self.downsample is None else self.downsample(x)
        return torch.cat([first, second, third], dim=1) + passed

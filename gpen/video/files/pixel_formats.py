"""Choose the pixel format for an encoder, and bring frames into it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .color import BT709, ColorTags
from .opening import require_av
from .planes import Layout, layout_of, planes_of, working_layout

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

PALETTE = "pal8"
"""The pixel format of GIF: 256 colours, chosen for each frame."""

_OUT_OF_REACH = 1000


def best_format(layout: Layout, names: Iterable[str], *, for_players: bool) -> str | None:
    """The pixel format that keeps most of a layout; None if there is none.

    Args:
        layout: of the frames.
        names: of the formats that an encoder takes.
        for_players: whether RGB becomes what all players show (4:2:0).
    """
    costs = {name: _cost(layout, name, for_players) for name in names}
    best = min(costs, key=lambda name: costs[name], default=None)
    return best if best is not None and costs[best] < _OUT_OF_REACH else None


def losses(layout: Layout, name: str) -> list[str]:
    """What a pixel format does not keep of a layout, in words."""
    if name == PALETTE:
        return ["colours are reduced to 256"]
    other = _layout(name)
    assert other is not None, name
    found = []
    if layout.alpha and not other.alpha:
        found.append("alpha is left out")
    if other.depth < layout.depth:
        found.append(f"{layout.depth} bits become {other.depth}")
    if layout.kind != "gray" and other.kind == "gray":
        found.append("colours are left out")
    elif layout.kind != "gray" and any(a < b for a, b in zip(layout.chroma, other.chroma, strict=True)):
        found.append("colours are stored at a lower resolution")
    return found


def has_alpha(name: str) -> bool:
    """Whether a pixel format has alpha."""
    layout = _layout(name)
    return layout is not None and layout.alpha


def converted_color(color: ColorTags, layout: Layout, name: str) -> ColorTags:
    """The tags of frames in another pixel format."""
    other = _layout(name)
    if other is None:
        return color
    if layout.kind == "rgb" and other.kind == "yuv":
        return ColorTags(2 if other.full else 1, color.primaries, color.transfer, BT709)
    if layout.full and other.kind == "yuv":
        return ColorTags(2, color.primaries, color.transfer, color.matrix)
    return color


class Converter:
    """Brings frames of one layout to the format and size of an encoder; their times do not come along.

    Args:
        layout: of the frames that come.
        color: the tags of the result.
        name: of the pixel format.
        size: (width, height) of the result; larger frames are padded with their last rows and columns.
    """

    def __init__(self, layout: Layout, color: ColorTags, name: str, size: tuple[int, int]) -> None:
        self._layout, self._color, self._name, self._size = layout, color, name, size

    def __call__(self, picture: VideoFrame) -> VideoFrame:
        """The frame for the encoder; the same one if nothing is to be done."""
        target = layout_of(self._name)
        if (picture.width, picture.height) != self._size:
            picture = _padded(picture, self._size)
        if picture.format.name == self._name:
            return picture
        if self._name == PALETTE:
            picture = _paletted(picture)
        elif target is not None and _same(target, self._layout):
            picture = _copied(picture, self._name)
        elif self._layout.kind == "rgb" and target is not None and target.kind == "yuv":
            picture = picture.reformat(
                format=self._name,
                dst_colorspace=BT709,
                dst_color_range=self._color.range,
                interpolation="AREA",
            )
        else:
            picture = picture.reformat(format=self._name)
        return picture


def _layout(name: str) -> Layout | None:
    try:
        pixel_format = require_av().VideoFormat(name)
        if pixel_format.has_palette or not pixel_format.components:
            return None
        if min(component.bits for component in pixel_format.components) < 8:
            return None
        return working_layout(pixel_format)
    except (ValueError, KeyError, AssertionError):  # formats of graphics cards, and rare ones
        return None


def _cost(layout: Layout, name: str, for_players: bool) -> float:
    other = _layout(name)
    if other is None:
        return _OUT_OF_REACH
    cost = 200.0 * (layout.alpha and not other.alpha) + 20.0 * max(0, layout.depth - other.depth)
    cost += (
        0.5 * (other.alpha and not layout.alpha)
        + 0.4 * (other.depth > layout.depth)
        + 0.05 * max(0, other.depth - layout.depth)
    )
    cost += 0.3 * (layout_of(name) is None) + 0.2 * (other.full != (layout.full and layout.kind != "rgb"))
    if layout.kind == "gray":
        return cost + {"gray": 0, "yuv": 1 - 0.1 * other.chroma[0], "rgb": 2}[other.kind]
    if other.kind == "gray":
        return cost + 500
    if layout.kind == "rgb" and for_players:
        return cost + (3 if other.kind == "rgb" else 0 if other.chroma == (2, 2) else 1)
    if layout.kind != other.kind:
        return cost + 4 + other.chroma[0] * other.chroma[1]
    coarser = [max(0, b - a) for a, b in zip(layout.chroma, other.chroma, strict=True)]
    return cost + 10 * sum(coarser) + (layout.chroma != other.chroma)


def _same(one: Layout, other: Layout) -> bool:
    return (one.kind, one.depth, one.chroma, one.alpha) == (other.kind, other.depth, other.chroma, other.alpha)


def _copied(picture: VideoFrame, name: str) -> VideoFrame:
    """A frame under another name of the same layout, such as yuvj420p and yuv420p: samples stay."""
    result = require_av().VideoFrame(picture.width, picture.height, name)
    for target, source in zip(planes_of(result), planes_of(picture), strict=True):
        target[:] = source
    return result


def _paletted(picture: VideoFrame) -> VideoFrame:
    """A frame in 255 colours of its own, and one without any where alpha is below a half."""
    samples = picture.reformat(format="rgba").to_ndarray()
    image = Image.fromarray(samples[..., :3]).quantize(255, dither=Image.Dither.FLOYDSTEINBERG)
    indices = np.where(samples[..., 3] < 128, 255, np.asarray(image)).astype(np.uint8)
    palette = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
    colors = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)[:255]
    palette[: len(colors), 1:] = colors
    palette[: len(colors), 0] = 255
    return require_av().VideoFrame.from_ndarray((indices, palette), format=PALETTE)


def _padded(picture: VideoFrame, size: tuple[int, int]) -> VideoFrame:
    result = require_av().VideoFrame(*size, picture.format.name)
    for target, source in zip(planes_of(result), planes_of(picture), strict=True):
        missing = [(0, b - a) for a, b in zip(source.shape, target.shape, strict=True)]
        target[:] = np.pad(source, missing, mode="edge")
    return result

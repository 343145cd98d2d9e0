"""The sample planes of decoded frames, as arrays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .opening import require_av

if TYPE_CHECKING:
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

_NAME = re.compile(r"(?P<kind>yuvj|yuva|yuv|gbra|gbr|gray)(?P<chroma>4\d\d)?p?(?P<depth>\d+)?(le)?")
# Horizontal and vertical subsampling of chroma.
_CHROMA = {"444": (1, 1), "440": (1, 2), "422": (2, 1), "420": (2, 2), "411": (4, 1), "410": (4, 4)}
_NAMES = {step: name for name, step in _CHROMA.items()}
_DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Layout:
    """A planar pixel format of integers.

    Attributes:
        name: of FFmpeg.
        kind: `yuv`, `rgb` (planes G, B, R) or `gray`.
        depth: bits of a sample, 8 to 16.
        chroma: luma samples in one of chroma, horizontally and vertically.
        alpha: whether the last plane is alpha.
        full: whether the name alone says that the range is full.
    """

    name: str
    kind: str
    depth: int
    chroma: tuple[int, int]
    alpha: bool
    full: bool

    @property
    def dtype(self) -> type:
        """Type of a sample."""
        return np.uint8 if self.depth == 8 else np.uint16


@lru_cache(maxsize=64)
def layout_of(name: str) -> Layout | None:
    """The layout of a pixel format; None if it is not planar, or not of integers in this machine's order of bytes."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    kind = {"yuvj": "yuv", "yuva": "yuv", "gbr": "rgb", "gbra": "rgb"}.get(match["kind"], match["kind"])
    if (kind == "yuv") != (match["chroma"] is not None) or match["chroma"] not in (None, *_CHROMA):
        return None
    return Layout(
        name,
        kind,
        int(match["depth"] or 8),
        _CHROMA[match["chroma"] or "444"],
        alpha=match["kind"] in ("yuva", "gbra"),
        full=match["kind"] == "yuvj" or kind == "rgb",
    )


def working_layout(pixel_format: VideoFormat) -> Layout:
    """The layout in which frames of a pixel format are worked on: the same one, or a planar one that holds as much."""
    layout = layout_of(pixel_format.name)
    if layout is not None:
        return layout
    components = pixel_format.components
    depth = max(component.bits for component in components)
    depth = next((known for known in _DEPTHS if depth <= known), 16)
    alpha = any(component.is_alpha for component in components) or pixel_format.has_palette
    if pixel_format.is_rgb or pixel_format.has_palette or len(components) < 3:
        name = "gray" if len(components) == 1 and not pixel_format.has_palette else "gbrap" if alpha else "gbrp"
    else:
        step = (-(-16 // pixel_format.chroma_width(16)), -(-16 // pixel_format.chroma_height(16)))
        name = f"yuv{'a' if alpha else ''}{_NAMES[step]}p"
    layout = layout_of(name if depth == 8 else f"{name}{depth}le")
    assert layout is not None, name
    return layout


def planes_of(picture: VideoFrame) -> list[np.ndarray]:
    """Writable views of the planes of a frame, H x W each; its format must have a `Layout`."""
    layout = layout_of(picture.format.name)
    assert layout is not None, picture.format.name
    arrays = []
    for plane in picture.planes:
        row = plane.line_size // np.dtype(layout.dtype).itemsize
        samples = np.frombuffer(plane, layout.dtype)  # type: ignore[call-overload]
        arrays.append(samples[: plane.height * row].reshape(plane.height, row)[:, : plane.width])
    return arrays


def picture_of(rgb: np.ndarray, alpha: np.ndarray | None, layout: Layout) -> VideoFrame:
    """A frame of RGB and alpha, 3 x H x W and H x W in 0..1, in an RGB layout."""
    picture = require_av().VideoFrame(rgb.shape[2], rgb.shape[1], layout.name)
    channels = [rgb[1], rgb[2], rgb[0]]
    if layout.alpha:
        channels.append(np.ones_like(rgb[0]) if alpha is None else alpha)
    top = (1 << layout.depth) - 1
    for plane, channel in zip(planes_of(picture), channels, strict=True):
        plane[:] = np.rint(channel * np.float32(top))
    return picture


def reformatted(picture: VideoFrame, width: int, height: int, name: str) -> VideoFrame:
    """A frame in another format or size, without its time."""
    if picture.format.name == "pal8":  # FFmpeg has no direct way from a palette to planes with alpha
        picture = picture.reformat(format="rgba")
    return picture.reformat(width, height, name)

"""Pictures and charts as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

from .data import to_pil

_GAP, _TITLE = 8, 30
_PAPER, _INK = (255, 255, 255), (28, 28, 32)
_QUALITY = 86
# Charts have few colours; so many leave the lines smooth.
_COLORS = 48
# Wong, "Points of view: Color blindness", Nature Methods 2011.
COLORS = ("#C04F00", "#A0528A", "#00805F", "#0072B2")


def save_chart(image: torch.Tensor, path: Path) -> None:
    """Write 3 x H x W as a small PNG."""
    picture = to_pil(image).quantize(_COLORS, dither=Image.Dither.NONE)
    picture.save(path, "PNG", optimize=True)


def save_tiles(tiles: Mapping[str, torch.Tensor], columns: int, path: Path, side: int) -> None:
    """Write pictures in rows, each 1 x 3 x S x S below its title, as a JPEG."""
    rows = -(-len(tiles) // columns)
    canvas = Image.new("RGB", (columns * (side + _GAP) - _GAP, rows * (side + _TITLE + _GAP) - _GAP), _PAPER)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(18)
    for index, (title, tile) in enumerate(tiles.items()):
        left, top = index % columns * (side + _GAP), index // columns * (side + _TITLE + _GAP)
        draw.text((left + 2, top + 4), title, fill=_INK, font=font)
        if tile.shape[-1] != side:
            tile = F.interpolate(tile, (side, side), mode="bicubic", antialias=True)
        canvas.paste(to_pil(tile[0]), (left, top + _TITLE))
    canvas.save(path, "JPEG", quality=_QUALITY, optimize=True)


def heat(gain: torch.Tensor, most: float) -> torch.Tensor:
    """A map of 1 x H x W in colours, 1 x 3 x H x W: black for 0, near white for `most`."""
    from matplotlib import colormaps

    colored = colormaps["inferno"]((gain[0] / most).clamp(0, 1).numpy())[..., :3]
    return torch.from_numpy(np.ascontiguousarray(colored)).permute(2, 0, 1)[None].float()


def draw_change(centres: Sequence[float], curves: Mapping[str, Sequence[float]], path: Path) -> None:
    """Chart of how far each way changes pixels, over the gradient that they lie on; both in 8-bit levels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=100)
    axes = figure.add_axes((0.09, 0.13, 0.89, 0.84))
    styles = ("-", "--", "-.", "-")
    for (name, values), color, style in zip(curves.items(), COLORS, styles, strict=False):
        axes.plot(centres, values, color=color, linewidth=2.6, linestyle=style, label=name)
    axes.set_xscale("log")
    axes.set_xlim(centres[0], centres[-1])
    axes.set_ylim(bottom=0)
    ticks = [tick for tick in (0.25, 0.5, 1, 2, 4, 8, 16, 32) if centres[0] <= tick <= centres[-1]]
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("gradient, levels per pixel", fontsize=14)
    axes.set_ylabel("mean change, levels", fontsize=14)
    axes.tick_params(labelsize=13)
    axes.grid(axis="y", alpha=0.4)
    axes.legend(fontsize=13, loc="upper left")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    save_chart(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, path)

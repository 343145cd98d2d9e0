"""Charts of spectra, designed for display at about 400 pixels width.

matplotlib is imported when the first chart is drawn. Figures are drawn with Agg without pyplot, which does not affect
other settings, windows or threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from ...errors import ImageError, MissingPackageError
from ...progress import Steps, no_steps, steps_within
from ...wording import pip_install
from .analysis import BAND_NAMES, FLOOR, Spectrum, mean_of, measure_cutoff
from .cutoff import SLOPE_RANGE
from .power import BAND_EDGES, check_spectrum_input, views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPECTRUM_RANGE = (-80.0, 20.0)
"""Decibels of the darkest and brightest colour of a spectrum image; fixed, so that images can be compared."""

_CHART_RANGE = (-80.0, 35.0)
_CHART_SIZE, _IMAGE_SIZE = (1000, 720), (900, 780)
_DPI = 100
_TEXT_POINTS = 18
# Wong, "Points of view: Color blindness", Nature Methods 2011; the light ones brightened for a dark background.
_COLORS = {False: ("#C04F00", "#0072B2", "#00805F", "#A0528A"), True: ("#F0A030", "#5CB8F0", "#3FD0A4", "#E095C4")}
_STYLES = ("-", "-", "--", ":")
_LEAST_FREQUENCY = 1 / 128
_TICKS = (128, 64, 32, 16, 8, 4, 2)


@dataclass(frozen=True)
class _Theme:
    paper: str
    text: str
    faint: str
    shade: str


_THEMES = {
    False: _Theme(paper="#FFFFFF", text="#1C1C20", faint="#B8B8C0", shade="#EFEFF3"),
    True: _Theme(paper="#18181C", text="#ECECF0", faint="#5A5A64", shade="#232329"),
}


@torch.no_grad()
def spectrum_image(
    images: torch.Tensor, mask: torch.Tensor | None = None, *, dark: bool = True, progress: Steps = no_steps
) -> torch.Tensor:
    """Log-magnitude spectrum of pictures in decibels: frequency 0 in the centre, the highest at the edges.

    A dashed ring marks the cut-off, if any.

    Args:
        images: B x 3 x H x W or B x 1 x H x W in 0..1.
        mask: B x 1 x H x W or 1 x 1 x H x W in 0..1 of the part to measure, or None.
        dark: dark instead of white background.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x 780 x 900 in 0..1, on the CPU.

    Raises:
        ImageError: wrong shape or type, NaN or infinity.
        MissingPackageError: matplotlib is not installed.
    """
    check_spectrum_input(images, mask)
    drawn = torch.zeros(len(images), 3, *_IMAGE_SIZE[::-1])
    cutoffs = measure_cutoff(images, mask, progress=steps_within(progress, 0, 2, 3)).tolist()
    for index, view in enumerate(views(images, mask)):
        progress(2 * len(images) + index, 3 * len(images))
        drawn[index] = _draw_plane(view.power(), images.shape[-1], cutoffs[index], _THEMES[dark])
    return drawn


def _centred(half: torch.Tensor, width: int) -> np.ndarray:
    """S x S decibels with frequency 0 in the centre, from the half plane of a real picture; S is at most 512."""
    # The missing columns equal those of the opposite frequencies.
    opposite = torch.roll(half.flip(0), 1, dims=0)[:, 1 : (width + 1) // 2].flip(1)
    plane = torch.fft.fftshift(torch.cat([half, opposite], dim=1))
    side = min(512, max(plane.shape))
    plane = F.interpolate(plane[None, None], (side, side), mode="area")[0, 0]
    return (10 * torch.log10(plane + FLOOR)).cpu().numpy()


def _draw_plane(half: torch.Tensor, width: int, cutoff: float, theme: _Theme) -> torch.Tensor:
    left, right = _ends(width)
    top, bottom = _ends(half.shape[0])
    figure = _figure(_IMAGE_SIZE, theme)
    axes = figure.add_axes((0.135, 0.125, 0.72, 0.8307))
    low, high = SPECTRUM_RANGE
    shown = axes.imshow(
        _centred(half, width), cmap="inferno", vmin=low, vmax=high, extent=(left, right, bottom, top), aspect="auto"
    )
    axes.set_xlim(-0.5, 0.5)
    axes.set_ylim(0.5, -0.5)
    if 0 < cutoff < 0.5:
        from matplotlib.patches import Circle

        axes.add_patch(Circle((0, 0), cutoff, fill=False, color="white", linewidth=2, linestyle=(0, (4, 3))))
    ticks = (-0.5, -0.25, 0.0, 0.25, 0.5)
    axes.set_xticks(ticks, [_signed(tick) for tick in ticks])
    axes.set_yticks(ticks, [_signed(tick) for tick in ticks])
    axes.set_xlabel("cycles per pixel", fontsize=_TEXT_POINTS, color=theme.text, labelpad=2)
    bar_axes = figure.add_axes((0.875, 0.125, 0.03, 0.8307))
    bar = figure.colorbar(shown, cax=bar_axes)
    bar.set_ticks(list(range(int(low), int(high) + 1, 20)))
    bar_axes.set_title("dB", fontsize=_TEXT_POINTS - 2, color=theme.text, pad=6)
    bar.outline.set_edgecolor(theme.faint)  # type: ignore[operator]  # matplotlib's stubs take it for a method
    for each in (axes, bar_axes):
        _style(each, theme)
    return _render(figure)


def _ends(length: int) -> tuple[float, float]:
    """Edges of the first and last cell along an axis; each cell is centred on its frequency."""
    first = -(length // 2)
    return (first - 0.5) / length, (first + length - 0.5) / length


def spectrum_chart(spectra: Mapping[str, Spectrum], *, dark: bool = True) -> torch.Tensor:
    """Power over frequency of up to four spectra, with bands, fitted slopes and cut-offs.

    A spectrum of several pictures is drawn as their mean. A dot on each curve marks its cut-off, at 1/2 if the picture
    is fully sharp; the dashed straight line is its slope.

    Args:
        spectra: spectra by label, such as `input`, `result` and `reference`.
        dark: dark instead of white background.

    Returns:
        1 x 3 x 720 x 1000 in 0..1, on the CPU.

    Raises:
        ImageError: none or more than four spectra, or an empty one.
    """
    if not 1 <= len(spectra) <= len(_STYLES):
        raise ImageError(f"A chart shows 1 to {len(_STYLES)} spectra, not {len(spectra)}.")
    theme = _THEMES[dark]
    figure = _figure(_CHART_SIZE, theme)
    axes = figure.add_axes((0.12, 0.13, 0.865, 0.85))
    _draw_ground(axes, theme)
    for (name, spectrum), color, style in zip(spectra.items(), _COLORS[dark], _STYLES, strict=False):
        _draw_curve(axes, name, mean_of(spectrum), color, style, theme)
    legend = axes.legend(
        loc="lower left", fontsize=_TEXT_POINTS, frameon=True, handlelength=1.6, borderpad=0.5, labelspacing=0.35
    )
    legend.get_frame().set(facecolor=theme.paper, edgecolor=theme.faint, alpha=1)
    legend.set_zorder(5)
    for text in legend.get_texts():
        text.set_color(theme.text)
    return _render(figure)[None]


def _draw_ground(axes: Axes, theme: _Theme) -> None:
    low, high = _CHART_RANGE
    edges = (_LEAST_FREQUENCY, *BAND_EDGES, 0.5)
    for number, name in enumerate(BAND_NAMES):
        left, right = edges[number], edges[number + 1]
        if number % 2:
            axes.axvspan(left, right, color=theme.shade, linewidth=0, zorder=0)
        axes.text(
            math.sqrt(left * right),
            high - 3,
            name,
            ha="center",
            va="top",
            fontsize=_TEXT_POINTS - 1,
            color=theme.text,
            alpha=0.75,
        )
    axes.set_xscale("log")
    axes.set_xlim(_LEAST_FREQUENCY, 0.5 * 1.04)
    axes.set_ylim(low, high)
    axes.minorticks_off()
    axes.set_xticks([1 / tick for tick in _TICKS], [f"1/{tick}" for tick in _TICKS])
    axes.set_yticks(range(int(low), int(high) + 1, 20))
    axes.grid(axis="y", color=theme.faint, linewidth=0.8, alpha=0.5)
    axes.set_xlabel("cycles per pixel", fontsize=_TEXT_POINTS, color=theme.text, labelpad=2)
    axes.set_ylabel("power, dB", fontsize=_TEXT_POINTS, color=theme.text, labelpad=0)
    _style(axes, theme)


def _draw_curve(axes: Axes, name: str, spectrum: Spectrum, color: str, style: str, theme: _Theme) -> None:
    frequencies = spectrum.frequencies.cpu().numpy()[1:]
    level = (10 * torch.log10(spectrum.radial_power[0] + FLOOR)).cpu().numpy()[1:]
    cutoff, slope = float(spectrum.cutoff[0]), float(spectrum.slope[0])
    end = f"detail to {float(spectrum.effective_resolution[0]):.0f} px" if cutoff else "no detail"
    label = f"{name}: {end}, slope {_signed(round(slope, 1))}"
    axes.plot(
        frequencies, level, color=color, linestyle=style, linewidth=3.2, label=label.replace("$", r"\$"), zorder=3
    )
    fitted = (frequencies >= SLOPE_RANGE[0]) & (frequencies <= SLOPE_RANGE[1])
    if not cutoff or not fitted.any():
        return
    ends = np.array(SLOPE_RANGE)
    decades = np.log10(frequencies[fitted])
    # Rings are denser at high frequencies, so each is weighted by its length on the logarithmic axis.
    middle = np.average(level[fitted] + 10 * slope * decades, weights=1 / frequencies[fitted])
    axes.plot(ends, middle - 10 * slope * np.log10(ends), color=color, linestyle=(0, (2, 2)), linewidth=1.6, alpha=0.7)
    height = float(np.interp(cutoff, frequencies, level))
    axes.plot([cutoff, cutoff], [_CHART_RANGE[0], height], color=color, linewidth=2, alpha=0.9, zorder=2)
    axes.plot(
        cutoff, height, "o", color=color, markersize=13, markeredgecolor=theme.paper, markeredgewidth=2.5, zorder=4
    )


def _signed(number: float) -> str:
    return f"{number:g}".replace("-", "\N{MINUS SIGN}")


def _figure(size: tuple[int, int], theme: _Theme) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        command = pip_install("matplotlib")
        raise MissingPackageError(f"Charts need matplotlib ({error}); install it with {command}.") from error
    return Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor=theme.paper)


def _style(axes: Axes, theme: _Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.text, labelsize=_TEXT_POINTS - 2, width=1, length=5, color=theme.faint)
    for spine in axes.spines.values():
        spine.set_color(theme.faint)


def _render(figure: Figure) -> torch.Tensor:
    """3 x H x W in 0..1."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float().div_(255)

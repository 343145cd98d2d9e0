"""Local adaptive enhancement beside plain ways to raise detail."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from gpen_blocks.gpen.pixels.color import luma

from . import data
from .enhancers import ENHANCERS, LAP, STRENGTH, Crop, blurred, equal_amount, gain, local_adaptive, neighbourhood
from .measures import detail, gradient, median, quartiles, rms
from .pictures import draw_change

# Gradients per pixel of a crop of 512: flat below the first, weak between the next two, strong above the last.
_FLAT, _WEAK, _STRONG = 0.004, (0.006, 0.020), 0.048
# Weak texture lies so many pixels, at 512, from anything beyond this gradient.
_WINDOW, _NEAR_EDGE = 11, 0.030
_LEAST_PIXELS = 300
_NOISE, _PURE_NOISE = 4, 5  # deviation in 8-bit levels
_BINS = 24


@dataclass(frozen=True)
class Row:
    """One way on one crop.

    Attributes:
        gain: of weak texture, in percent.
        noisy_gain: of weak texture with noise on it, in percent.
        amount: at which it has that.
        overshoot: at strong edges, levels beyond the 5 x 5 range of the crop: the mean over the edges' pixels.
        worst: the same, for the hundredth pixel that has most.
        edges: mean absolute change at strong edges, levels.
        flat_noise: gain of noise in flat parts, at equal gain of the noisy crop's weak texture, in percent.
        pure_noise: gain of noise on grey at the same amount, in percent.
        softness: decibels of PSNR that a slightly blurred crop wins; None where the truth is not known.
    """

    gain: float
    noisy_gain: float
    amount: float
    overshoot: float
    worst: float
    edges: float
    flat_noise: float
    pure_noise: float
    softness: float | None


@dataclass(frozen=True, eq=False)
class Regions:
    """Masks, 1 x 1 x S x S."""

    flat: torch.Tensor
    weak: torch.Tensor
    strong: torch.Tensor

    @classmethod
    def of(cls, crop: Crop) -> Regions:
        slope, inside = gradient(crop.lightness), crop.head > 0.5
        window = round(_WINDOW * crop.image.shape[-1] / 512) | 1
        near = F.max_pool2d(slope, window, 1, window // 2)
        weak = (slope >= _WEAK[0]) & (slope <= _WEAK[1]) & (near < _NEAR_EDGE)
        return cls(inside & (slope < _FLAT), inside & weak, inside & (slope > _STRONG))

    def suffice(self) -> bool:
        return all(int(region.sum()) >= _LEAST_PIXELS for region in (self.flat, self.weak, self.strong))


def measure(image: torch.Tensor, template: str, seed: int, truth_known: bool) -> dict[str, Row] | None:
    """All the ways on one crop, or None where it lacks flat, weak or strong places."""
    crop = Crop.of(image, template)
    regions = Regions.of(crop)
    if not regions.suffice():
        return None
    random = torch.Generator().manual_seed(seed)
    with_noise = Crop.of(data.rounded(data.noisy(image, _NOISE, random)), template)
    grey = Crop.of(data.rounded(data.noisy(torch.full_like(image, 0.5), _PURE_NOISE, random)), template)
    crops = [crop, with_noise, grey, *([Crop.of(blurred(image), template)] if truth_known else [])]
    raised = [local_adaptive(each) for each in crops]
    wanted = [gain(after, each.lightness, regions.weak) for after, each in zip(raised, crops, strict=True)]
    rows = {LAP: _row(STRENGTH, crops, raised, regions, image)}
    for name, prepare in ENHANCERS.items():
        ways = [prepare(each) for each in crops]
        amounts = [
            equal_amount(way, each, regions.weak, level) for way, each, level in zip(ways, crops, wanted, strict=True)
        ]
        # On grey there is no texture to be raised alike; there the crop's own amount holds.
        amounts[2] = amounts[0]
        done = [way(amount) for way, amount in zip(ways, amounts, strict=True)]
        rows[name] = _row(amounts[0], crops, done, regions, image)
    return rows


def _row(amount: float, crops: list[Crop], raised: list[torch.Tensor], regions: Regions, truth: torch.Tensor) -> Row:
    before, after = crops[0].lightness, raised[0]
    low, high = neighbourhood(before)
    beyond = 255 * torch.maximum(after - high, low - after).clamp_min(0)[regions.strong]
    inside = crops[2].head > 0.5
    softness = None
    if len(crops) > 3:
        sought = luma(truth)[inside]
        errors = [rms(plane[inside] - sought) for plane in (crops[3].lightness, raised[3])]
        softness = 20 * float(torch.log10(torch.tensor(errors[0] / errors[1])))
    return Row(
        gain=100 * (gain(after, before, regions.weak) - 1),
        noisy_gain=100 * (gain(raised[1], crops[1].lightness, regions.weak) - 1),
        amount=amount,
        overshoot=float(beyond.mean()),
        worst=float(beyond.quantile(0.99)),
        edges=255 * float((after - before).abs()[regions.strong].mean()),
        flat_noise=100 * (rms(detail(raised[1])[regions.flat]) / rms(detail(crops[1].lightness)[regions.flat]) - 1),
        pure_noise=100 * (gain(raised[2], crops[2].lightness, inside) - 1),
        softness=softness,
    )


def compare(sets: dict[str, tuple[torch.Tensor, str, bool]], chart: Path) -> dict[str, Any]:
    """All the ways over sets of crops, each field of `Row` by its quartiles.

    Args:
        sets: by name: the crops, their template, and whether they are the truth.
        chart: where the chart goes, which is of the first set.
    """
    figures: dict[str, Any] = {}
    for name, (images, template, truth_known) in sets.items():
        found = [measure(image[None], template, seed, truth_known) for seed, image in enumerate(images)]
        rows = [row for row in found if row is not None]
        if not figures:
            amounts = {way: median([row[way].amount for row in rows], 6) for way in ENHANCERS}
            _draw_chart(images, template, amounts, chart)
        figures[name] = {
            "crops": len(images),
            "measured": len(rows),
            **{way: _summary([row[way] for row in rows]) for way in (LAP, *ENHANCERS)},
        }
    return figures


def _summary(rows: list[Row]) -> dict[str, list[float]]:
    columns = {field.name: [getattr(row, field.name) for row in rows] for field in fields(Row)}
    return {name: quartiles(values, 2) for name, values in columns.items() if None not in values}


def _draw_chart(images: torch.Tensor, template: str, amounts: dict[str, float], path: Path) -> None:
    """Mean change over gradient, of each way at its median amount."""
    edges = torch.logspace(-3, -0.9, _BINS + 1)
    sums = {name: torch.zeros(_BINS, dtype=torch.float64) for name in (*ENHANCERS, LAP)}
    counts = torch.zeros(_BINS, dtype=torch.float64)
    for image in images.split(1):
        crop = Crop.of(image, template)
        inside = crop.head > 0.5
        index = torch.bucketize(gradient(crop.lightness)[inside], edges) - 1
        valid = (index >= 0) & (index < _BINS)
        counts += torch.bincount(index[valid], minlength=_BINS)
        for name, total in sums.items():
            after = local_adaptive(crop) if name == LAP else ENHANCERS[name](crop)(amounts[name])
            change = 255 * (after - crop.lightness).abs()[inside]
            total += torch.bincount(index[valid], change[valid].double(), minlength=_BINS)
    centres = (255 * (edges[:-1] * edges[1:]).sqrt()).tolist()
    draw_change(centres, {name: (total / counts.clamp_min(1)).tolist() for name, total in sums.items()}, path)

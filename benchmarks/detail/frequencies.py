"""What the spectrum says of photographs and their restorations, and what the frequency blend keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.spectrum.analysis import analyze
from gpen_blocks.gpen.detail.spectrum.charts import spectrum_chart
from gpen_blocks.gpen.detail.spectrum.crossover import SIGMA_PER_PERIOD, find_crossover
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.restore import restore_crops

from . import data
from .measures import low_band_change, median, psnr, quartiles, residual_noise, rms
from .pictures import save_chart

GENERATOR = "gpen-lite-256"


def blend_each(base: torch.Tensor, detail: torch.Tensor, deblur: float) -> torch.Tensor:
    """The blend of each pair on its own; B x 3 x S x S."""
    pairs = zip(base.split(1), detail.split(1), strict=True)
    return torch.cat([blend(photograph, restored, deblur=deblur) for photograph, restored in pairs])


def spectra(photographs: torch.Tensor, restored: torch.Tensor, chart: Path) -> dict[str, Any]:
    """Spectra of photographs, of GPEN's answers and of their blend, with a chart of the means."""
    blended = blend_each(photographs, restored, 0.5)
    sets = {"photograph": analyze(photographs), "GPEN": analyze(restored), "blend": analyze(blended)}
    save_chart(spectrum_chart(sets, dark=False)[0], chart)
    figures: dict[str, Any] = {"pictures": len(photographs)}
    for name, spectrum in sets.items():
        own = sets["photograph"]
        ratio = spectrum.bands.double().mean(dim=0) / own.bands.double().mean(dim=0)
        figures[name] = {
            "high_frequency_percent": quartiles(100 * spectrum.high_frequency_ratio, 3),
            "slope": quartiles(spectrum.slope, 2),
            "cutoff": quartiles(spectrum.cutoff, 3),
            "effective_resolution": quartiles(spectrum.effective_resolution, 0),
            "more_high_frequency_in": int((spectrum.high_frequency_ratio > own.high_frequency_ratio).sum()),
            "bands_over_photograph_db": [round(float(value), 1) for value in 10 * torch.log10(ratio)],
        }
    return figures


def low_band(photographs: torch.Tensor, restored: torch.Tensor) -> dict[str, Any]:
    """How far each way to use GPEN's answer moves what the photograph truly contains, in levels."""
    cutoffs = analyze(photographs).cutoff.tolist()
    ways = {
        "GPEN": restored,
        "strength 0.5": torch.lerp(photographs, restored, 0.5),
        "blend, deblur 0": blend_each(photographs, restored, 0.0),
        "blend, deblur 0.5": blend_each(photographs, restored, 0.5),
    }
    figures = {}
    for name, images in ways.items():
        moved = [
            low_band_change(one, photograph, 2 * SIGMA_PER_PERIOD / cutoff)
            for one, photograph, cutoff in zip(images.split(1), photographs.split(1), cutoffs, strict=True)
        ]
        figures[name] = {
            "moves": quartiles(moved, 2),
            "at_most": round(max(moved), 2),
            "effective_resolution": quartiles(analyze(images).effective_resolution, 0),
        }
    return figures


def kinds_of_damage(faces: torch.Tensor) -> dict[str, Any]:
    """PSNR against the truth of generated faces, for each kind of damage and way to use the network's answer."""
    generator = load_generator(GENERATOR).module
    figures: dict[str, Any] = {"pictures": len(faces)}
    for kind in data.DAMAGE:
        photographs = data.damaged(faces, kind)
        restored = restore_crops(generator, photographs, keep_grayscale=False, batch_size=8)
        ways = {
            "photograph": photographs,
            "plain": restored,
            "strength 0.5": torch.lerp(photographs, restored, 0.5),
            "blend, deblur 0": blend_each(photographs, restored, 0.0),
            "blend": blend_each(photographs, restored, 0.5),
        }
        fidelity = {name: psnr(images, faces) for name, images in ways.items()}
        better = fidelity["blend"] - fidelity["plain"]
        cutoffs = find_crossover(photographs, restored).cutoff[:, 0]
        figures[kind] = {
            "psnr": {name: median(values, 2) for name, values in fidelity.items()},
            "blend_less_plain": quartiles(better, 2),
            "blend_better_in": int((better > 0).sum()),
            "noise_in_flat_parts": {
                name: median(residual_noise(ways[name], faces), 1) for name in ("photograph", "plain", "blend")
            },
            "error_below_cutoff": {
                name: _low_band_error(ways[name], faces, cutoffs) for name in ("photograph", "plain")
            },
        }
    return figures


def _low_band_error(images: torch.Tensor, truth: torch.Tensor, cutoffs: torch.Tensor) -> float:
    """Median distance from the truth below each picture's cut-off, RMS of all channels in 8-bit levels."""
    errors = [
        255 * rms(gaussian_blur(image - sought, SIGMA_PER_PERIOD / cutoff))
        for image, sought, cutoff in zip(images.split(1), truth.split(1), cutoffs.tolist(), strict=True)
    ]
    return median(errors, 2)

"""The sections on the spectrum and on the frequency blend."""

from __future__ import annotations

from pathlib import Path

import torch

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.spectrum.analysis import Spectrum, analyze
from gpen_blocks.gpen.detail.spectrum.charts import spectrum_chart
from gpen_blocks.gpen.detail.spectrum.crossover import SIGMA_PER_PERIOD, find_crossover
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.restore import restore_crops

from . import data
from .measures import low_band_change, median, number, psnr, residual_noise, rms, table, told
from .pictures import save_chart

GENERATOR = "gpen-lite-256"


def one_by_one(base: torch.Tensor, detail: torch.Tensor, deblur: float) -> torch.Tensor:
    """The blend of each pair."""
    pairs = zip(base.split(1), detail.split(1), strict=True)
    return torch.cat([blend(photograph, restored, deblur=deblur) for photograph, restored in pairs])


def spectra(photographs: torch.Tensor, restored: torch.Tensor, blends: torch.Tensor, folder: Path) -> str:
    """What the spectrum says of Solvay's pairs: a chart and a table."""
    sets = {"photograph": analyze(photographs), "GPEN": analyze(restored), "blend": analyze(blends)}
    save_chart(spectrum_chart(sets, dark=False)[0], folder / "spectrum.png")
    measured = {
        "high-frequency ratio, %": (lambda spectrum: 100 * spectrum.high_frequency_ratio, 3),
        "slope": (lambda spectrum: spectrum.slope, 2),
        "cut-off, cycles per pixel": (lambda spectrum: spectrum.cutoff, 3),
        "effective resolution, px of 512": (lambda spectrum: spectrum.effective_resolution, 0),
    }
    rows = []
    for name, (read, digits) in measured.items():
        before, after, blended = (read(spectrum) for spectrum in sets.values())
        rises = [f"{int((values > before).sum())} of {len(before)}" for values in (after, blended)]
        rows.append([name, *(told(values, digits) for values in (before, after, blended)), *rises])
    head = ["", "photograph", "GPEN", "blend", "rises with GPEN", "with the blend"]
    return f"{table(head, rows)}\n\n{_where_power_is(sets)}"


def _where_power_is(sets: dict[str, Spectrum]) -> str:
    """How many decibels GPEN adds in each band, and which share of it the blend keeps."""
    bands = {name: spectrum.bands.double().mean(dim=0) for name, spectrum in sets.items()}
    added = [10 * torch.log10(bands[name] / bands["photograph"]) for name in ("GPEN", "blend")]
    rows = [
        [name, *(number(float(value), 1, sign=True) for value in values)]
        for name, values in zip(("GPEN", "blend"), added, strict=True)
    ]
    head = ["power against the photograph's, dB", "below 1/16", "1/16 to 1/8", "1/8 to 1/4", "from 1/4"]
    return table(head, rows)


def low_band(photographs: torch.Tensor, restored: torch.Tensor, blends: dict[str, torch.Tensor]) -> str:
    """How far each way moves what the photograph truly contains."""
    cutoffs = analyze(photographs).cutoff.tolist()
    ways = {
        "GPEN's answer": restored,
        "`strength` 0.5": torch.lerp(photographs, restored, 0.5),
        **blends,
    }
    rows = []
    for name, images in ways.items():
        moved = [
            low_band_change(one, photograph, 2 * SIGMA_PER_PERIOD / cutoff)
            for one, photograph, cutoff in zip(images.split(1), photographs.split(1), cutoffs, strict=True)
        ]
        spectrum = analyze(images)
        rows.append([name, told(moved, 2), f"{max(moved):.2f}", told(spectrum.effective_resolution, 0)])
    return table(["", "low band moves, levels", "at most", "effective resolution, px"], rows)


def kinds_of_damage(faces: torch.Tensor) -> tuple[str, str]:
    """Fidelity on generated faces whose truth is known, for each kind of damage.

    Returns:
        A table, and a line for each kind in which the blend falls behind the network's answer.
    """
    generator = load_generator(GENERATOR).module
    rows, losses = [], []
    for kind in data.DAMAGE:
        photographs = data.damaged(faces, kind)
        restored = restore_crops(generator, photographs, keep_grayscale=False, batch_size=8)
        half = torch.lerp(photographs, restored, 0.5)
        blends = [one_by_one(photographs, restored, deblur) for deblur in (0.0, 0.5)]
        sets = [photographs, restored, half, *blends]
        fidelity = [psnr(images, faces) for images in sets]
        better = fidelity[-1] - fidelity[1]
        if round(median(better), 2) < 0:
            losses.append(f"- {kind}: {number(median(better), 2)} dB. {_why(photographs, restored, faces)}")
        noise = " / ".join(
            f"{median(residual_noise(images, faces)):.1f}" for images in (photographs, restored, blends[-1])
        )
        rows.append(
            [
                kind,
                *(f"{median(values):.2f}" for values in fidelity),
                told(better, 2, sign=True),
                f"{int((better > 0).sum())}",
                noise,
            ]
        )
    head = ["damage", "photograph", "plain", "`strength` 0.5", "blend, `deblur` 0", "blend", "blend less plain, dB"]
    head += [f"better in, of {len(faces)}", "noise in flat parts: photograph / plain / blend"]
    return table(head, rows), "\n".join(losses)


def _why(photographs: torch.Tensor, restored: torch.Tensor, faces: torch.Tensor) -> str:
    """How near the truth the two are below the cut-off, where the blend takes the photograph's word."""
    cutoffs = find_crossover(photographs, restored).cutoff[:, 0]
    own, other = (_low_band_error(images, faces, cutoffs) for images in (photographs, restored))
    return f"Below luma's cut-off the photograph is {own:.2f} levels from the truth, the network's answer {other:.2f}."


def _low_band_error(images: torch.Tensor, truth: torch.Tensor, cutoffs: torch.Tensor) -> float:
    """Median distance from the truth below each picture's cut-off, RMS of all channels in 8-bit levels."""
    errors = [
        255 * rms(gaussian_blur(image - sought, SIGMA_PER_PERIOD / cutoff))
        for image, sought, cutoff in zip(images.split(1), truth.split(1), cutoffs.tolist(), strict=True)
    ]
    return median(errors)

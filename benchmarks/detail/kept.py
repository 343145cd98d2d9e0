"""Measures what a restoration keeps of photographs, from undamaged ones to badly damaged ones: docs/detail/kept.csv.

    python benchmarks detail.kept PATH RUNS [--faces 12] [--sharp 40]

PATH is data that is not part of this project, so others cannot measure these figures: generated faces in
`data/faces-256.parquet` and `data/faces-512.parquet`, sharp ones as JPEG files in `data/sharp-1024`. Each kind of
picture has a JSON file in the folder RUNS once it is measured, and is not measured again: the work can be stopped at
any time.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.degradation.faces import HELD_OUT, read_faces
from gpen_blocks.gpen.evaluation.metrics import compare_detail
from gpen_blocks.gpen.evaluation.pairs import DegradedFaces
from gpen_blocks.gpen.faces.paste import paste_faces
from gpen_blocks.gpen.images import from_array, read_picture
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.restorer import Restorer

from .data import DAMAGE, ROOT, noisy, reduced, rounded, through_jpeg

MODEL = "gpen-lite-256"
# Rows of the table by what is done to 256 px faces, from nothing to much.
DEGREES = {
    "nothing": lambda x, _: x,
    "blur, sigma 0.5 px": lambda x, _: gaussian_blur(x, 0.5),
    "blur, sigma 0.8 px": lambda x, _: gaussian_blur(x, 0.8),
    "blur, sigma 1 px": lambda x, _: gaussian_blur(x, 1.0),
    "blur, sigma 1.5 px": DAMAGE["blur, sigma 1.5 px"],
    "blur, sigma 3 px": DAMAGE["blur, sigma 3 px"],
    "reduced to 2/3": lambda x, _: reduced(x, 1.5, rounded),
    "reduced to 1/2": DAMAGE["reduced to 1/2"],
    "reduced to 1/4": DAMAGE["reduced to 1/4"],
    "reduced to 1/8": DAMAGE["reduced to 1/8"],
    "noise 2": lambda x, random: noisy(x, 2, random),
    "noise 5": lambda x, random: noisy(x, 5, random),
    "noise 10": DAMAGE["noise 10"],
    "noise 25": DAMAGE["noise 25"],
    "JPEG 95": lambda x, _: through_jpeg(x, 95),
    "JPEG 85": lambda x, _: through_jpeg(x, 85),
    "JPEG 70": lambda x, _: through_jpeg(x, 70),
    "JPEG 50": lambda x, _: through_jpeg(x, 50),
    "JPEG 20": DAMAGE["JPEG 20"],
    "blur 1, noise 3, JPEG 90": lambda x, random: through_jpeg(noisy(gaussian_blur(x, 1.0), 3, random), 90),
    **{
        kind: DAMAGE[kind]
        for kind in (
            "reduced to 1/2, noise 20",
            "reduced to 1/4, noise 10",
            "reduced to 1/2, JPEG 15",
            "reduced to 1/4, JPEG 30",
            "blur 2, reduced to 1/2, noise 10, JPEG 40",
        )
    },
}
GRAIN = 5
TABLE = ROOT / "docs" / "detail" / "kept.csv"

Row = dict[str, Any]
Pair = tuple[torch.Tensor, torch.Tensor]


def sharp(shared: Path, side: int, limit: int) -> Iterator[Pair]:
    """Sharp faces, reduced, or enlarged with the grain of a print over them; each is its own truth."""
    for file in sorted((shared / "data" / "sharp-1024").glob("*.jpg"))[:limit]:
        image = read_picture(file).pixels
        if side < 1024:
            image = rounded(F.interpolate(image, (side, side), mode="bicubic", antialias=True))
        elif side > 1024:
            image = F.interpolate(image, (side, side), mode="bicubic")
            image = rounded(noisy(image, GRAIN, torch.Generator().manual_seed(int(file.stem))))
        yield image, image


def damaged(shared: Path, side: int, kind: str, limit: int) -> Iterator[Pair]:
    """Held-out faces with one kind of damage, and without."""
    faces = read_faces(shared / "data" / f"faces-{side}.parquet", None, side, HELD_OUT)
    for number, face in enumerate(faces[:: max(1, len(faces) // limit)][:limit]):
        truth = from_array(face)
        yield rounded(DEGREES[kind](truth, torch.Generator().manual_seed(number))), truth


def held_out(shared: Path, side: int, limit: int) -> Iterator[Pair]:
    """Held-out faces as `gpen evaluate` damages them."""
    pairs = DegradedFaces(shared / "data" / f"faces-{side}.parquet", held_out=True, limit=limit, seed=0, size=side)
    for index in range(len(pairs)):
        pair = pairs.load(index)
        assert pair.truth is not None
        yield pair.degraded, pair.truth


def measure(restorer: Restorer, image: torch.Tensor, truth: torch.Tensor) -> Row | None:
    """One picture through the whole chain, and its result once more; None where no face is found."""
    result = restorer.restore(_levels(image))
    if not len(result.alignment):
        return None
    largest = max(range(len(result.alignment)), key=lambda index: result.faces.faces[index].size)
    one = slice(largest, largest + 1)
    # Where faces lie, also those that were left alone.
    _, mask = paste_faces(image, result.before[one], result.alignment[one], strength=0)
    if not torch.isfinite(mask).all():
        return None
    inside = (mask > 0.5)[0, 0]
    after = from_array(result.image)
    again = from_array(restorer.restore(result.image).image)
    detail, was = compare_detail(after, truth), compare_detail(image, truth)
    return {
        "left": not result.report["faces"][largest]["restored"],
        "psnr_before": _psnr(image, truth, inside),
        "psnr": _psnr(after, truth, inside),
        "correlation_before": was.correlation[0].tolist(),
        "correlation": detail.correlation[0].tolist(),
        "octaves": _octaves(after, image, inside),
        "changed": float((after - image)[0][:, inside].abs().mean()) * 255,
        "again": float((again - after)[0][:, inside].abs().mean()) * 255,
    }


def _levels(image: torch.Tensor) -> np.ndarray:
    return (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def _psnr(image: torch.Tensor, truth: torch.Tensor, inside: torch.Tensor) -> float:
    error = float((image - truth)[0][:, inside].double().square().mean())
    return -10 * math.log10(max(error, 1e-6))


def _octaves(image: torch.Tensor, own: torch.Tensor, inside: torch.Tensor) -> list[tuple[float, float]]:
    """Of each octave of luma, finest first: energy within the mask over the photograph's, and correlation with it."""
    planes = [torch.fft.rfft2(luma(each)[0, 0].double()) for each in (image, own)]
    height, width = own.shape[-2:]
    frequency = torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width))
    high, found = 1.0, []
    for low in (1 / 4, 1 / 8, 1 / 16, 1 / 32):
        band = (frequency >= low) & (frequency < high)
        a, b = (torch.fft.irfft2(plane * band, s=(height, width))[inside] for plane in planes)
        own_energy, energy = float((b * b).sum()), float((a * a).sum())
        found.append((energy / own_energy, float((a * b).sum()) / math.sqrt(energy * own_energy)))
        high = low
    return found


def kinds(shared: Path, faces: int, sharp_faces: int) -> dict[str, Iterator[Pair]]:
    """Everything that is measured, by the name of its file."""
    return {
        **{f"sharp {side}": sharp(shared, side, sharp_faces) for side in (256, 512, 1024, 2048)},
        **{f"{kind} at 256": damaged(shared, 256, kind, faces) for kind in DEGREES},
        "held-out at 256": held_out(shared, 256, 10 * faces),
        "held-out at 512": held_out(shared, 512, 4 * faces),
        **{f"{kind} at 512": damaged(shared, 512, kind, max(1, faces // 2)) for kind in DEGREES},
    }


def summary(name: str, rows: list[Row]) -> dict[str, Any]:
    """A line of the table: means over the pictures, but for energies and the correlation of octaves."""
    kind, _, side = name.rpartition(" at ") if " at " in name else name.rpartition(" ")
    energies = [energy for row in rows for energy, _ in row["octaves"]]
    return {
        "kind": kind,
        "side": side,
        "pictures": len(rows),
        "left_as_they_are": sum(row["left"] for row in rows),
        "psnr_photograph": _mean(rows, lambda row: row["psnr_before"], 2),
        "psnr_restored": _mean(rows, lambda row: row["psnr"], 2),
        "correlation_photograph": _mean(rows, lambda row: sum(row["correlation_before"]) / 2, 3),
        "correlation_restored": _mean(rows, lambda row: sum(row["correlation"]) / 2, 3),
        "run_again_levels": _mean(rows, lambda row: row["again"], 2),
        "octave_energy_least": f"{min(energies):.3f}",
        "octave_energy_greatest": f"{max(energies):.3f}",
        "octave_correlation_least": f"{min(correlation for row in rows for _, correlation in row['octaves']):.3f}",
    }


def _file_of(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', ' of ')}.json"


def _mean(rows: list[Row], value: Callable[[Row], float], digits: int) -> str:
    return f"{sum(map(value, rows)) / len(rows):.{digits}f}"


def main() -> None:
    """Measure what is not there yet, and write the table of all that is."""
    parser = argparse.ArgumentParser("python benchmarks detail.kept", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, help="folder for the figures of each picture")
    parser.add_argument("--faces", type=int, default=12, help="of each kind of damage")
    parser.add_argument("--sharp", type=int, default=40, help="sharp faces of each size")
    parser.add_argument("--only", default="", help="what the kinds measured have in their names")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    restorer = Restorer(MODEL, backend="eager")
    lines = []
    for name, pairs in kinds(options.data, options.faces, options.sharp).items():
        file = _file_of(options.runs, name)
        if not file.exists() and options.only in name:
            file.write_text(json.dumps([measure(restorer, image, truth) for image, truth in pairs]))
            print(name, flush=True)
        rows = [row for row in json.loads(file.read_text()) if row] if file.exists() else []
        if rows:
            lines.append(summary(name, rows))
    with TABLE.open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, lines[0].keys() if lines else (), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()

"""What a restoration keeps of photographs, from undamaged ones to badly damaged ones: the table of docs/detail.md.

    python benchmarks/kept.py SHARED FOLDER [--faces 12] [--sharp 40] [--page docs/detail.md] [--before FOLDER]

SHARED has `data/sharp-1024` (sharp faces as JPEG files) and `data/faces-256.parquet` and `data/faces-512.parquet`. Each
kind of picture has a JSON file in FOLDER once it is measured, and is not measured again: the work can be stopped at
any time. `--before` names such a folder of an earlier version, to stand beside it in the page.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from detail_page.data import DAMAGE, noisy, reduced, rounded, through_jpeg

from gpen_blocks.gpen.degradation.faces import HELD_OUT, read_faces
from gpen_blocks.gpen.evaluation.metrics import compare_detail
from gpen_blocks.gpen.evaluation.pairs import DegradedFaces
from gpen_blocks.gpen.faces.paste import paste_faces
from gpen_blocks.gpen.images import from_array, read_picture
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.restorer import Restorer

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
_START, _END = "<!-- kept -->", "<!-- end of kept -->"

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


def table(folder: Path, before: Path | None) -> str:
    """The page's table."""
    lines = [
        "| sharp faces, side of the picture | left as they are | least and greatest energy of an octave | least "
        "correlation | before: energy, correlation of the finest octave |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, rows, old in _measured(folder, before, "sharp "):
        energies = [energy for row in rows for energy, _ in row["octaves"]]
        least = min(correlation for row in rows for _, correlation in row["octaves"])
        was = "" if not old else f"{_mean(old, lambda r: r['octaves'][0][0]):.2f}, "
        was += "" if not old else f"{_mean(old, lambda r: r['octaves'][0][1]):.2f}"
        lines.append(
            f"| {name.removeprefix('sharp ')} px, n = {len(rows)} | {sum(row['left'] for row in rows)} | "
            f"{min(energies):.3f} to {max(energies):.3f} | {least:.3f} | {was} |"
        )
    for side in (256, 512):
        if not any(_measured(folder, before, "", f" at {side}")):
            continue
        lines += [
            "",
            f"| damage of {side} px faces | left | photograph, dB | restored, dB | before, dB | detail correlation: "
            "photograph | restored | before | run again, levels |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, rows, old in _measured(folder, before, "", f" at {side}"):
            earlier = ("", "") if not old else (f"{_mean(old, _psnr_of):.2f}", f"{_mean(old, _detail_of):.3f}")
            lines.append(
                f"| {name.removesuffix(f' at {side}')}, n = {len(rows)} | {sum(row['left'] for row in rows)} | "
                f"{_mean(rows, lambda r: r['psnr_before']):.2f} | {_mean(rows, _psnr_of):.2f} | {earlier[0]} | "
                f"{_mean(rows, lambda r: sum(r['correlation_before']) / 2):.3f} | {_mean(rows, _detail_of):.3f} | "
                f"{earlier[1]} | {_mean(rows, lambda r: r['again']):.2f} |"
            )
    return "\n".join(lines)


def _measured(
    folder: Path, before: Path | None, start: str, end: str = ""
) -> Iterator[tuple[str, list[Row], list[Row]]]:
    """Name, rows, and the same pictures' rows of the earlier version; pictures that either lacks are left out."""
    for name in kinds(folder, 1, 1):
        file = _file_of(folder, name)
        if not (name.startswith(start) and name.endswith(end) and file.exists()):
            continue
        rows = json.loads(file.read_text())
        other = _file_of(before, name) if before else None
        old = json.loads(other.read_text()) if other and other.exists() else [None] * len(rows)
        both = [(a, b) for a, b in zip(rows, old, strict=False) if a and (b or not any(old))]
        yield name, [a for a, _ in both], [b for _, b in both if b]


def _file_of(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', ' of ')}.json"


def _psnr_of(row: Row) -> float:
    return row["psnr"]


def _detail_of(row: Row) -> float:
    return sum(row["correlation"]) / 2


def _mean(rows: list[Row], value: Any) -> float:
    return sum(value(row) for row in rows) / max(len(rows), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what a restoration keeps of photographs.")
    parser.add_argument("shared", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=12, help="of each kind of damage")
    parser.add_argument("--sharp", type=int, default=40, help="sharp faces of each size")
    parser.add_argument("--only", default="", help="what the kinds measured have in their names")
    parser.add_argument("--page", type=Path, help="a page with the marks of the table")
    parser.add_argument("--before", type=Path, help="folder of an earlier version's figures")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    restorer = Restorer(MODEL, backend="eager")
    for name, pairs in kinds(given.shared, given.faces, given.sharp).items():
        file = _file_of(given.folder, name)
        if file.exists() or given.only not in name:
            continue
        file.write_text(json.dumps([measure(restorer, image, truth) for image, truth in pairs]))
        print(name, flush=True)
    text = table(given.folder, given.before)
    if given.page:
        head, _, rest = given.page.read_text(encoding="utf-8").partition(_START)
        given.page.write_text(f"{head}{_START}\n{text}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()

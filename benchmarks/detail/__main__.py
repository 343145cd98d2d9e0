"""Measures what docs/detail.md says: figures go to docs/detail/results.json, pictures beside it.

    python benchmarks detail                # what the example portrait shows
    python benchmarks detail --data PATH    # everything, about six minutes of one core

PATH is data that is not part of this project, so others cannot measure most of the figures: `data/faces-256.parquet`
has generated faces, `data/real/solvay_official` GPEN's example by its authors (a file for each face: the crop on the
left, GPEN's answer on the right). On one machine all figures come out the same every time; another processor or version
of a library may round the last digit otherwise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from . import data, frequencies, portrait, sharpening

FOLDER = data.ROOT / "docs" / "detail"
RESULTS = FOLDER / "results.json"


def main() -> None:
    """Measure, keep the numbers, and draw the pictures."""
    parser = argparse.ArgumentParser("python benchmarks detail", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="folder of the data; without it only the example portrait is measured"
    )
    options = parser.parse_args()
    # The order of sums, and with it the last digit, depends on the number of threads.
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if options.data:
        photographs, restored = data.solvay(options.data)
        faces = data.faces(options.data)
        sets = {"Solvay": (restored, "gpen", False), "generated": (faces, "ffhq", True)}
        results |= {
            "spectra": frequencies.spectra(photographs, restored, FOLDER / "spectrum.png"),
            "low band": frequencies.low_band(photographs, restored),
            "damage": frequencies.kinds_of_damage(faces),
            "enhancers": sharpening.compare(sets, FOLDER / "change.png"),
        }
    results |= {
        "portrait": portrait.restore_portrait(FOLDER),
        "casts and fading": portrait.casts_and_fading(),
        "portrait enhanced": portrait.enhance_portrait(FOLDER, 512),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

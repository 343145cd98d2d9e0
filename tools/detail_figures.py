"""Measures what docs/detail.md says, and writes it with its pictures to docs/detail/.

    python tools/detail_figures.py --shared PATH            # writes the page, in about six minutes of one core
    python tools/detail_figures.py --shared PATH --check    # measures anew, and tells what would differ

PATH holds `data/real/solvay_official` (GPEN's official example by its authors, a file for each face: the crop on the
left, GPEN's answer on the right) and `data/faces-256.parquet` (generated faces). All but the timings come out the same
every time on one machine. `--check` needs the machine the page was made on: another processor or version of a library
may round the last digit otherwise.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import torch
from detail_page import data, frequencies, portrait, sharpening, timings

DOCS = data.ROOT / "docs"
TEMPLATE = Path(data.__file__).with_name("template.md")
PAGE, PICTURES = "detail.md", "detail"
_TIMINGS = re.compile(r"(?<=<!-- timings -->).*?(?=<!-- end of timings -->)", re.DOTALL)

_KEPT = re.compile(r"(?<=<!-- kept -->).*?(?=<!-- end of kept -->)", re.DOTALL)


def build(shared: Path, docs: Path) -> None:
    """Measure everything, and write the page and its pictures into a folder."""
    folder = docs / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    photographs, restored = data.solvay(shared)
    faces = data.faces(shared)
    blends = {deblur: frequencies.one_by_one(photographs, restored, deblur) for deblur in (0.0, 0.5)}
    sets = {"Solvay": (restored, "gpen", False), "generated": (faces, "ffhq", True)}
    damage, losses = frequencies.kinds_of_damage(faces)
    enhancers, counts, noisy_gains = sharpening.compare(sets, folder)
    text = TEMPLATE.read_text(encoding="utf-8").format(
        pairs=len(photographs),
        faces=len(faces),
        spectra=frequencies.spectra(photographs, restored, blends[0.5], folder),
        low_band=frequencies.low_band(
            photographs, restored, {"blend, `deblur` 0": blends[0.0], "blend, `deblur` 0.5 (default)": blends[0.5]}
        ),
        damage=damage,
        losses=losses,
        casts=portrait.casts_and_fading(),
        portrait=portrait.ways_to_restore(folder),
        enhancers=enhancers,
        counts=" and ".join(f"{count} of {len(sets[name][0])} ({name})" for name, count in counts.items()),
        noisy_gains=" and ".join(f"{gain} % ({name})" for name, gain in noisy_gains.items()),
        equal_gain=portrait.ways_to_enhance(folder, 512),
        timings=timings.timings(restored[:1]),
    )
    # That table is measured by `benchmarks/kept.py`, and stays.
    kept = _KEPT.search((DOCS / PAGE).read_text(encoding="utf-8"))
    if kept:
        text = _KEPT.sub(lambda _: kept.group(), text)
    (docs / PAGE).write_text(text, encoding="utf-8", newline="\n")


def differences(made: Path, kept: Path) -> list[str]:
    """What of the page and its pictures differs between two folders, but for the timings."""
    found = [] if _without_timings(made / PAGE) == _without_timings(kept / PAGE) else [PAGE]
    names = {path.name for folder in (made, kept) for path in (folder / PICTURES).glob("*.*")}
    for name in sorted(names):
        both = [folder / PICTURES / name for folder in (made, kept)]
        if not all(path.exists() for path in both) or both[0].read_bytes() != both[1].read_bytes():
            found.append(f"{PICTURES}/{name}")
    return found


def _without_timings(path: Path) -> str:
    return _TIMINGS.sub("", path.read_text(encoding="utf-8")) if path.exists() else ""


def main() -> None:
    """Write the page, or check the one that is there."""
    parser = argparse.ArgumentParser(description="Measures what docs/detail.md says and writes it.")
    parser.add_argument("--shared", type=Path, required=True, help="folder of the data")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page would differ")
    arguments = parser.parse_args()
    # The order of sums, and with it the last digit, depends on the number of threads; one is also kind to others.
    torch.set_num_threads(1)
    if not arguments.check:
        build(arguments.shared, DOCS)
        return
    with tempfile.TemporaryDirectory() as folder:
        build(arguments.shared, Path(folder))
        found = differences(Path(folder), DOCS)
    if found:
        sys.exit(f"These differ from what is measured now: {', '.join(found)}.")


if __name__ == "__main__":
    main()

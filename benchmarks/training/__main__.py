"""Short training runs that differ in one thing each: what width costs and what each loss brings (docs/training.md).

    python benchmarks training --faces faces.parquet --runs /tmp/runs

Figures go to docs/training/results.csv, curves beside it. Every run has the same faces, damage, seed and number of
steps. A run that is there already is gone on with, so the script may be stopped. The faces behind the published figures
are not part of this project; with faces of your own the figures differ.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import torch

from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.training.generator.config import Adversary, Losses, Model, Run, TrainingConfig
from gpen_blocks.gpen.training.generator.record import draw_curves
from gpen_blocks.gpen.training.generator.train import Trainer

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "training"
SIDE = 128

PLAIN = Losses(smooth_l1=1.0, focal_frequency=0, band_energy=0, band_agreement=0, adversarial=0)
FOCAL = replace(PLAIN, focal_frequency=0.1)
ENERGY = replace(FOCAL, band_energy=0.002)
ALL = replace(ENERGY, band_agreement=0.01)
LOSSES = {"smooth L1": PLAIN, "+ focal frequency": FOCAL, "+ band energy": ENERGY, "+ band agreement": ALL}
WIDTHS = {"narrow 0.125": 0.125, "narrow 0.25": 0.25, "narrow 0.375": 0.375}

COLUMNS = ("psnr_gain", "high_frequency_ratio", "correlation_1_16", "correlation_1_8")
INPUT_COLUMNS = ("input_correlation_1_16", "input_correlation_1_8")
LEFT_OUT = (*INPUT_COLUMNS, "psnr", "seconds_a_step")


def main() -> None:
    """Run what is not there yet, write the table and draw the curves."""
    parser = argparse.ArgumentParser("python benchmarks training", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    faces = read_faces(options.faces, size=SIDE)
    base = TrainingConfig(
        model=Model(size=SIDE, style_dim=128, n_mlp=4, narrow=0.25),
        run=Run(steps=options.steps, interval=options.steps // 6, measured=96, average=0.99, warm=100),
        losses=ALL,
        adversary=Adversary(start=options.steps),
    )
    runs = {name: replace(base, losses=losses) for name, losses in LOSSES.items()}
    runs |= {name: replace(base, model=replace(base.model, narrow=narrow)) for name, narrow in WIDTHS.items()}
    logs: dict[str, list[dict[str, float]]] = {}
    for name, config in runs.items():
        # The middle width with all losses is in both series.
        same = next((other for other in logs if runs[other] == config), name)
        folder = options.runs / same.replace(" ", "-")
        Trainer(config, faces, folder).run()
        lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
        logs[name] = [json.loads(line) for line in lines]
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_table(logs, FOLDER / "results.csv")
    for series, picture in ((LOSSES, "losses.png"), (WIDTHS, "widths.png")):
        # What is the same in all runs, and what the machine did meanwhile, are no figures of theirs.
        lines = {
            name: [{key: line[key] for key in line if key not in LEFT_OUT} for line in logs[name]] for name in series
        }
        draw_curves(lines, FOLDER / picture)


def write_table(logs: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Write the last line of each run's log, after the correlations of the damaged faces with the truth."""
    untouched = next(iter(logs.values()))[-1]
    lines = [["input", "", "", *(f"{untouched[column]:.3f}" for column in INPUT_COLUMNS)]]
    lines += [[name, *(f"{log[-1][column]:.3f}" for column in COLUMNS)] for name, log in logs.items()]
    with path.open("w", encoding="utf-8", newline="") as table:
        csv.writer(table, lineterminator="\n").writerows([["run", *COLUMNS], *lines])


if __name__ == "__main__":
    main()

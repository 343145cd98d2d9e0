"""What a training run shows of itself: its log, curves, sheets of samples and TensorBoard's files."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import SettingsError
from ..network import Generator
from .config import TrainingConfig
from .data import training_pair
from .evaluation.metrics import compare_detail, psnr

log = logging.getLogger(__name__)

# Held-out faces on a sheet of samples.
_SHOWN = 8
_BATCH = 8


class Record:
    """The log of a run.

    Args:
        folder: of the run.
        step: the run is at; lines of the log beyond it belong to steps that were lost, and are dropped.
        writes: whether this process keeps the log; of several only one does.

    Raises:
        SettingsError: the folder cannot be written to, or what lies there is no log.
    """

    def __init__(self, folder: Path, step: int, writes: bool = True) -> None:
        self.folder = folder
        self.lines: list[dict[str, float]] = []
        self._tensorboard = None
        if not writes:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
            self.lines = [line for line in lines if line["step"] <= step]
        except OSError as error:
            raise SettingsError(f"{folder} cannot be the folder of a run: {error.strerror or error}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise SettingsError(f"{self._path} is not the log of a run; move it away to go on.") from error
        try:
            from torch.utils.tensorboard import SummaryWriter  # type: ignore[attr-defined]
        except ImportError:
            log.info("no TensorBoard here; curves are in curves.png and log.jsonl")
        else:
            self._tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    @property
    def _path(self) -> Path:
        return self.folder / "log.jsonl"

    @torch.no_grad()
    def measure(self, generator: Generator, faces: np.ndarray, config: TrainingConfig) -> dict[str, float]:
        """Measure a network on held-out faces and keep a sheet of samples.

        Args:
            generator: the averaged network.
            faces: N x S x S x 3 uint8; each is measured with one of its partners.
            config: of the run.
        """
        pairs = [
            training_pair(face, index, config.run.seed, config.degradation, mirror=False)
            for index, face in enumerate(faces)
        ]
        device = next(generator.parameters()).device
        degraded, truth = (_to_images(np.stack(side)) for side in zip(*pairs, strict=True))
        restored = torch.cat([
            (generator(part.to(device) * 2 - 1).cpu() + 1) / 2 for part in degraded.split(_BATCH)
        ]).clamp(0, 1)  # fmt: skip
        before, after = compare_detail(degraded, truth), compare_detail(restored, truth)
        rows = [torch.cat(list(side[:_SHOWN]), dim=2) for side in (degraded, restored, truth)]
        self.sheet = torch.cat(rows, dim=1)
        return {
            "psnr_gain": float((psnr(restored, truth) - psnr(degraded, truth)).mean()),
            "psnr": float(psnr(restored, truth).mean()),
            "high_frequency_ratio": float(after.power.sum() / after.truth_power.sum()),
            "correlation_1_16": float(after.correlation[:, 0].mean()),
            "correlation_1_8": float(after.correlation[:, 1].mean()),
            "input_correlation_1_16": float(before.correlation[:, 0].mean()),
            "input_correlation_1_8": float(before.correlation[:, 1].mean()),
        }

    def write(self, step: int, numbers: dict[str, float]) -> None:
        """Add a line to the log, and draw curves and samples anew."""
        self.lines.append({"step": step, **{name: round(value, 6) for name, value in numbers.items()}})
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        partial = self._path.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._path)
        log.info("step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))
        sheet = (self.sheet.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        (self.folder / "samples").mkdir(exist_ok=True)
        Image.fromarray(sheet).save(self.folder / "samples" / f"{step:07d}.png")
        draw_curves({self.folder.name: self.lines}, self.folder / "curves.png")
        if self._tensorboard:
            for name, value in numbers.items():
                self._tensorboard.add_scalar(name, value, step)
            self._tensorboard.add_image("samples", self.sheet, step)
            self._tensorboard.flush()


def draw_curves(runs: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Draw every number of one or more runs over the step, a small chart each, into a PNG file."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for lines in runs.values() for line in lines for name in line if name != "step"))
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for number, name in enumerate(names, start=1):
        axes = figure.add_subplot(rows, columns, number)
        for colour, (run, lines) in enumerate(runs.items()):
            points = [(line["step"], line[name]) for line in lines if name in line]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=run, color=f"C{colour}")
        axes.set_title(name.replace("_", " "), fontsize=10)
        axes.grid(alpha=0.3)
    if len(runs) > 1:
        figure.axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=80)


def _to_images(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255

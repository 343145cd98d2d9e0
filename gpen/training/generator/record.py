"""Output of a training run: log, curves, sample sheets and TensorBoard files."""

from __future__ import annotations

import json
import logging
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....weights.files import replacing
from ...degradation.faces import to_images
from ...errors import SettingsError
from ...evaluation.metrics import DetailAgreement, compare_detail, psnr
from ...network import Generator
from ...sheets import to_pil
from .config import TrainingConfig
from .pairs import training_pair

log = logging.getLogger(__name__)

# Held-out faces on a sample sheet.
_SHOWN = 8
_BATCH = 8


class Record:
    """The log of a run.

    Args:
        folder: folder of the run.
        step: current step; later lines of the log belong to lost steps and are dropped.
        faces: N x S x S x 3 uint8, held out; each is measured with one of its degraded versions.
        config: configuration of the run.
        writes: whether this process writes the log; only one of several does.

    Raises:
        SettingsError: the folder is not writable, or its log file is not a log.
    """

    def __init__(self, folder: Path, step: int, faces: np.ndarray, config: TrainingConfig, writes: bool = True) -> None:
        self.folder, self.faces, self.config = folder, faces, config
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
            raise SettingsError(f"{folder} cannot be used for a run: {error.strerror or error}.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise SettingsError(f"{self._path} is not the log of a run; move it away to continue.") from error
        try:
            from torch.utils.tensorboard import SummaryWriter  # type: ignore[attr-defined]
        except ImportError:
            log.info("TensorBoard is not installed; curves are in curves.png and log.jsonl")
        else:
            self._tensorboard = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    @property
    def _path(self) -> Path:
        return self.folder / "log.jsonl"

    @cached_property
    def _pairs(self) -> tuple[Tensor, Tensor]:
        """The degraded and the original held-out faces, N x 3 x S x S; the same at every interval."""
        pairs = [
            training_pair(face, index, self.config.run.seed, self.config.degradation, mirror=False)
            for index, face in enumerate(self.faces)
        ]
        degraded, truth = (to_images(np.stack(side)) for side in zip(*pairs, strict=True))
        return degraded, truth

    @cached_property
    def _before(self) -> tuple[Tensor, DetailAgreement]:
        """PSNR and detail of the degraded faces."""
        return psnr(*self._pairs), compare_detail(*self._pairs)

    @torch.no_grad()
    def measure(self, generator: Generator) -> dict[str, float]:
        """Measure the averaged network on the held-out faces, and store a sample sheet."""
        device = next(generator.parameters()).device
        degraded, truth = self._pairs
        restored = torch.cat([
            (generator(part.to(device) * 2 - 1).cpu() + 1) / 2 for part in degraded.split(_BATCH)
        ]).clamp(0, 1)  # fmt: skip
        psnr_before, before = self._before
        psnr_after, after = psnr(restored, truth), compare_detail(restored, truth)
        rows = [torch.cat(list(side[:_SHOWN]), dim=2) for side in (degraded, restored, truth)]
        self.sheet = torch.cat(rows, dim=1)
        return {
            "psnr_gain": float((psnr_after - psnr_before).mean()),
            "psnr": float(psnr_after.mean()),
            "high_frequency_ratio": float(after.power.sum() / after.truth_power.sum()),
            "correlation_1_16": float(after.correlation[:, 0].mean()),
            "correlation_1_8": float(after.correlation[:, 1].mean()),
            "input_correlation_1_16": float(before.correlation[:, 0].mean()),
            "input_correlation_1_8": float(before.correlation[:, 1].mean()),
        }

    def write(self, step: int, numbers: dict[str, float]) -> None:
        """Append a line to the log, and redraw curves and samples."""
        self.lines.append({"step": step, **{name: round(value, 6) for name, value in numbers.items()}})
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        with replacing(self._path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        log.info("step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in numbers.items()))
        (self.folder / "samples").mkdir(exist_ok=True)
        to_pil(self.sheet[None]).save(self.folder / "samples" / f"{step:07d}.png")
        draw_curves({self.folder.name: self.lines}, self.folder / "curves.png")
        if self._tensorboard:
            for name, value in numbers.items():
                self._tensorboard.add_scalar(name, value, step)
            self._tensorboard.add_image("samples", self.sheet, step)
            self._tensorboard.flush()


def draw_curves(runs: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Draw each number of one or more runs over the step as a small chart in a PNG file."""
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

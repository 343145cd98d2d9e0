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
from ...tasks import TASKS
from .config import TrainingConfig
from .lessons import answered, make_lesson

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
        labels: N x S x S uint8, maps of the faces; only for drawing.

    Raises:
        SettingsError: the folder is not writable, or its log file is not a log.
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        faces: np.ndarray,
        config: TrainingConfig,
        writes: bool = True,
        labels: np.ndarray | None = None,
    ) -> None:
        self.folder, self.faces, self.config, self.labels = folder, faces, config, labels
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
    def _lessons(self) -> tuple[Tensor, Tensor, Tensor]:
        """What is shown of the held-out faces, N x 3 x S x S, what is right, and where it counts; always the same."""
        config = self.config
        lessons = [
            make_lesson(
                *(config.model.task, face, index, config.run.seed, config.degradation),
                mirror=False,
                labels=None if self.labels is None else self.labels[index],
            )
            for index, face in enumerate(self.faces)
        ]
        shown, truth, counts = (np.stack(side) for side in zip(*lessons, strict=True))
        return to_images(shown), to_images(truth), to_images(counts[..., None])

    @cached_property
    def _before(self) -> tuple[Tensor, DetailAgreement]:
        """PSNR and detail of what is shown."""
        shown, truth, _ = self._lessons
        return psnr(shown, truth), compare_detail(shown, truth)

    @torch.no_grad()
    def measure(self, generator: Generator) -> dict[str, float]:
        """Measure the averaged network on the held-out faces, and store a sample sheet."""
        device = next(generator.parameters()).device
        task = self.config.model.task
        shown, truth, counts = self._lessons
        answers = torch.cat([
            generator(TASKS[task].feed(part.to(device))).cpu() for part in shown.split(_BATCH)
        ])  # fmt: skip
        restored = answered(task, answers, shown, truth, counts).clamp(0, 1)
        psnr_before, before = self._before
        psnr_after, after = psnr(restored, truth), compare_detail(restored, truth)
        rows = [torch.cat(list(side[:_SHOWN]), dim=2) for side in (shown, restored, truth)]
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

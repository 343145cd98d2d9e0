"""Train a GPEN: from scratch or from a checkpoint, on one process or many (accelerate).

A run lives in a folder: `state.pt` (all that is needed to go on), `log.jsonl` (a line for each interval), pictures of
samples and curves, TensorBoard's files, and what comes out: `g_ema.pth`, which the authors' code and this package
load, and the same as safetensors with a model card.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ....weights import checkpoint
from ....weights.checkpoint import unwrap
from ...degradation.faces import split, to_images
from ...devices import select_device
from ...errors import MissingPackageError, SettingsError, TrainingError
from ...network import Generator, GeneratorConfig, build_generator
from ...network.discriminator import Discriminator
from ...tasks import TASKS
from ...wording import count
from ..shared.ema import MovingAverage, warm_cosine
from ..shared.state import load_state, save_state
from .batches import Batches
from .config import TrainingConfig
from .export import export
from .identity_start import start_as_identity
from .lessons import answered
from .losses import discriminator_adversarial, generator_adversarial, r1_penalty
from .objective import Objective
from .pairs import PairOrder
from .record import Record

log = logging.getLogger(__name__)

# Larger gradients are outliers, mostly in the first steps; later ones are between 0.1 and 1.
_LARGEST_GRADIENT = 5.0
# Keys of the state of a run.
_STATE_PARTS = {
    *("step", "generator", "discriminator", "generator_optimizer", "discriminator_optimizer", "average", "config"),
}


class Trainer:
    """Networks, optimizers and current step of a run.

    Args:
        config: configuration of the run.
        faces: N x S x S x 3 uint8; every tenth is held out.
        folder: folder of the run; an existing run is continued.
        labels: N x S x S uint8, maps of the faces in the classes of `tasks.maps`; only for drawing.

    Raises:
        MissingPackageError: accelerate is not installed.
        SettingsError: the state in the folder belongs to another network, or there are too few faces or of the wrong
            size.
        TrainingError: the state in the folder is damaged.
    """

    def __init__(
        self, config: TrainingConfig, faces: np.ndarray, folder: Path, labels: np.ndarray | None = None
    ) -> None:
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise MissingPackageError("Training needs accelerate; install gpen-blocks[training].") from error
        self.config, self.folder = config, folder
        precision = "bf16" if config.run.precision == "bf16" else "no"
        self.accelerator = Accelerator(mixed_precision=precision, cpu=select_device().type == "cpu")
        torch.manual_seed(config.run.seed)
        self.taught, self.held_out = split(faces)
        self.labels, self.held_out_labels = (None, None) if labels is None else split(labels)
        generator = start_generator(config)
        if faces.shape[1] != generator.config.size or len(self.taught) < config.run.batch:
            raise SettingsError(
                f"{count(len(self.taught), 'face')} of {faces.shape[1]} pixels to teach with: a "
                f"GPEN-{generator.config.size} needs faces of its size, and at least a batch of {config.run.batch}."
            )
        discriminator = Discriminator(generator.config, config.adversary.width)
        self.average = MovingAverage(generator, config.run.average)
        self.step = 0
        faces_digest = hashlib.sha256(self.taught.data).hexdigest()
        # Recipes, with the step from which each was used.
        self.history: list[list[Any]] = [[0, json.dumps({**asdict(config), "faces": faces_digest}, default=dict)]]
        state = load_state(folder / "state.pt", _STATE_PARTS)
        if state:
            self._restore(state, generator, discriminator)
        device = self.accelerator.device
        self.generator, self.discriminator = generator.to(device), discriminator.to(device)
        self.generator_optimizer = torch.optim.Adam(generator.parameters(), lr=config.run.rate, betas=(0.9, 0.99))
        self.discriminator_optimizer = torch.optim.Adam(
            discriminator.parameters(), lr=config.adversary.rate, betas=(0.0, 0.99)
        )
        if state:
            self.generator_optimizer.load_state_dict(state["generator_optimizer"])
            self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.objective = Objective(config.losses, generator.config.size, config.model.template, device)
        self.paint: Callable[[Tensor], Tensor] = self.generator
        if config.run.compile:
            self.paint = torch.compile(self.generator)

    def run(self, stop_after: int | None = None) -> None:
        """Train to the end, or for some steps, saving and measuring at each interval."""
        run = self.config.run
        shown_labels = None if self.held_out_labels is None else self.held_out_labels[: run.measured]
        record = Record(
            *(self.folder, self.step, self.held_out[: run.measured], self.config, self.accelerator.is_main_process),
            shown_labels,
        )
        last = run.steps if stop_after is None else min(run.steps, self.step + stop_after)
        began, first = time.monotonic(), self.step
        sums: dict[str, float] = {}
        summed = 0
        for lessons in self._batches(last):
            for name, value in self._teach_step(*lessons).items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            self.step, summed = self.step + 1, summed + 1
            if self.step % run.interval and self.step < last:
                continue
            seconds = (time.monotonic() - began) / (self.step - first)
            losses = {name: value / summed for name, value in sums.items()}
            sums, summed = {}, 0
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                measured = record.measure(self.averaged())
                # Write the log first: if the run is killed in between, the next one drops the line and writes it again.
                record.write(self.step, {**losses, **measured, "seconds_a_step": seconds})
                self.save()
        if not self.accelerator.is_main_process:
            return
        if not record.lines:
            # A run that is over, whose log somebody took away.
            record.write(self.step, record.measure(self.averaged()))
        path = export(self.averaged(), self.config, record.lines[-1], len(self.taught), self.folder, self.history)
        log.info("wrote %s", path)

    def save(self) -> None:
        """Write the state and the averaged network."""
        save_state(
            {
                "step": self.step,
                "generator": self.generator.state_dict(),
                "discriminator": self.discriminator.state_dict(),
                "generator_optimizer": self.generator_optimizer.state_dict(),
                "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
                "average": self.average.state_dict(),
                "config": self.history,
            },
            self.folder / "state.pt",
        )
        save_state({"g_ema": self.average.contiguous()}, self.folder / "g_ema.pth")

    def averaged(self) -> Generator:
        """The averaged network, ready to use."""
        return build_generator(self.average.tensors).to(self.accelerator.device)

    def _restore(self, state: dict[str, Any], generator: nn.Module, discriminator: nn.Module) -> None:
        try:
            generator.load_state_dict(state["generator"])
            discriminator.load_state_dict(state["discriminator"])
        except (RuntimeError, KeyError) as error:
            raise SettingsError(
                f"The run in {self.folder} is of a network of another shape; take another folder."
            ) from error
        self.average.load_state_dict(state["average"])
        self.step = int(state["step"])
        log.info("continuing at step %d", self.step)
        if state["config"][-1][1] == self.history[-1][1]:
            self.history = state["config"]
        else:
            log.warning("the configuration or the faces are not those this run had; the card tells both")
            self.history = [*state["config"], [self.step, self.history[-1][1]]]

    def _batches(self, last: int) -> DataLoader[Any]:
        run, accelerator = self.config.run, self.accelerator
        if run.batch % accelerator.num_processes:
            raise SettingsError(
                f"A batch of {run.batch} does not share out over {accelerator.num_processes} processes."
            )
        order = PairOrder(len(self.taught), run.partners, run.batch, run.seed)
        ranks = accelerator.process_index, accelerator.num_processes
        batches = Batches(
            *(self.config.model.task, self.taught, order, self.config.degradation, self.step, last, *ranks),
            self.labels,
        )
        return DataLoader(batches, batch_size=None, num_workers=run.workers, prefetch_factor=4 if run.workers else None)

    def _teach_step(self, shown: Tensor, truth: Tensor, counts: Tensor) -> dict[str, Tensor]:
        """One step of the generator, and one of the discriminator once it has started."""
        config, device = self.config, self.accelerator.device
        task = config.model.task
        shown, truth, counts = (to_images(side.to(device)) for side in (shown, truth, counts[..., None]))
        for group in self.generator_optimizer.param_groups:
            group["lr"] = config.run.rate * warm_cosine(self.step, config.run.steps, config.run.warm)
        with self.accelerator.autocast():
            answer = self.paint(TASKS[task].feed(shown))
        output = answered(task, answer.float(), shown, truth, counts)
        restored = output * 2 - 1
        total, parts = self.objective(output, truth)
        adversarial = config.losses.adversarial * min(
            1.0, (self.step - config.adversary.start + 1) / config.adversary.ramp
        )
        if adversarial > 0:
            parts["adversarial"] = self._adversarial_loss(restored)
            total = total + adversarial * parts["adversarial"]
        self._step_optimizer(total, self.generator_optimizer, self.generator)
        self.average.update(self.generator)
        if adversarial > 0:
            parts |= self._teach_discriminator(restored.detach(), truth * 2 - 1)
        return parts

    def _adversarial_loss(self, restored: Tensor) -> Tensor:
        self.discriminator.requires_grad_(False)
        with self.accelerator.autocast():
            scores = self.discriminator(restored)
        self.discriminator.requires_grad_(True)
        return generator_adversarial(scores.float())

    def _teach_discriminator(self, restored: Tensor, truth: Tensor) -> dict[str, Tensor]:
        adversary = self.config.adversary
        with self.accelerator.autocast():
            real_scores, fake_scores = self.discriminator(truth), self.discriminator(restored)
        loss = discriminator_adversarial(real_scores.float(), fake_scores.float())
        parts = {"discriminator": loss, "real_score": real_scores.mean(), "fake_score": fake_scores.mean()}
        if adversary.r1 and self.step % adversary.r1_every == 0:
            real = truth.detach().requires_grad_()
            penalty = r1_penalty(self.discriminator(real), real)
            loss = loss + adversary.r1 / 2 * adversary.r1_every * penalty
            parts["r1"] = penalty * adversary.r1_every  # the mean over an interval is the penalty's
        self._step_optimizer(loss, self.discriminator_optimizer, self.discriminator)
        return parts

    def _step_optimizer(self, loss: Tensor, optimizer: torch.optim.Optimizer, network: nn.Module) -> None:
        """Update with the mean gradient of all processes."""
        optimizer.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        if self.accelerator.num_processes > 1:
            joint: Any = self.accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
            for gradient, part in zip(gradients, joint.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))
        norm = nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        if not torch.isfinite(norm):
            raise TrainingError(
                f"The gradient is {float(norm)} at step {self.step}; go on from the last state with a lower rate."
            )
        optimizer.step()


def face_size(config: TrainingConfig) -> int:
    """Side of the faces for a run: that of its start checkpoint, or of its configuration."""
    if not config.model.start:
        return config.model.size
    return GeneratorConfig.from_state_dict(unwrap(checkpoint.read(Path(config.model.start)).tensors)).size


def start_generator(config: TrainingConfig) -> Generator:
    """The initial network of a run, with gradients."""
    if not config.model.start:
        generator = Generator(config.model.shape()).train()
        start_as_identity(generator)
        return generator
    return build_generator(checkpoint.read(Path(config.model.start)).tensors).train().requires_grad_(True)

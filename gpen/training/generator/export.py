"""Export the result of a training run: one safetensors file and a model card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...network import Generator
from ..shared.state import write_network
from .config import TrainingConfig

_MEASURED = {
    "psnr_gain": "PSNR over its input's, dB",
    "high_frequency_ratio": "energy above 1/8 cycles/px over the truth's",
    "correlation_1_16": "detail correlation, 1/16 to 1/8 cycles/px",
    "input_correlation_1_16": "of the input",
    "correlation_1_8": "detail correlation, 1/8 to 1/4 cycles/px",
    "input_correlation_1_8": "of the input",
}


def export(
    generator: Generator,
    config: TrainingConfig,
    line: dict[str, float],
    taught: int,
    folder: Path,
    history: list[list[Any]],
) -> Path:
    """Write the network in half precision with its recipe in the metadata, and a model card beside it.

    Args:
        generator: the averaged network.
        config: configuration of the run.
        line: last line of its log.
        taught: number of training faces.
        folder: folder of the run.
        history: (step, recipe) for each change of the recipe.

    Returns:
        The safetensors file.
    """
    path = folder / "gpen.safetensors"
    step = int(line["step"])
    recipe = json.dumps(asdict(config), default=dict)
    metadata = {
        **{"template": config.model.template, "task": config.model.task},
        **{"steps": str(step), "faces": str(taught), "recipe": recipe},
    }
    write_network(generator.state_dict(), path, metadata)
    card = _card(generator, config, line, taught, path.stat().st_size)
    if len(history) > 1:
        steps = ", ".join(str(step) for step, _ in history[1:])
        card += f"\nThe recipe changed on the way, at step {steps}; the table has the last one, and here is each:\n\n"
        card += "\n".join(f"- from step {step}: `{recipe}`" for step, recipe in history) + "\n"
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return path


def _card(generator: Generator, config: TrainingConfig, line: dict[str, float], taught: int, size: int) -> str:
    shape, run = generator.config, config.run
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    measured = [f"| {title} | {line[name]:.3f} |" for name, title in _MEASURED.items() if name in line]
    losses = ", ".join(f"{name} {value:g}" for name, value in asdict(config.losses).items() if isinstance(value, float))
    return "\n".join([
        f"# GPEN-{shape.size}",
        "",
        f"GPEN with size {shape.size}, style_dim {shape.style_dim}, n_mlp {shape.n_mlp}, channels "
        f"{', '.join(map(str, shape.channels))} (4 to {shape.size} pixels): {parameters / 1e6:.2f} M parameters, "
        f"{size / 1e6:.1f} MB in half precision. Template `{config.model.template}`, "
        f"task {config.model.task}.",
        "",
        "| | |",
        "|---|---|",
        f"| Data | {taught} faces; every tenth of those given was held out |",
        f"| Start | {config.model.start or 'random weights'} |",
        f"| Training | {int(line['step'])} of {run.steps} steps of {run.batch} faces, {run.partners} degraded partners "
        f"each, Adam {run.rate:g}, {run.precision}, averaged weights {run.average:g}, seed {run.seed} |",
        f"| Losses | {losses} |",
        f"| torch | {torch.__version__} |",
        "",
        f"Measured on {run.measured} held-out faces with the run's own damage; `gpen evaluate` measures more:",
        "",
        "| | |",
        "|---|---|",
        *measured,
        "",
        "Say here what the faces were, under which licence, and what the network is not good for.",
        "",
    ])  # fmt: skip

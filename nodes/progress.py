"""Progress of long work: bar, preview, and a line in the node and in the log.

ComfyUI is imported inside the functions that use it, so that the rest can be tested without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from ..gpen.progress import Overall, Steps, each
from ..gpen.sheets import to_pil

log = logging.getLogger("gpen-blocks")


BAR_STEPS = 1000
"""Steps of a bar."""

# Ids of the nodes that show a line.
_showing: set[str] = set()
# Longest side of preview pictures.
_PREVIEW_SIDE = 512


class Bar(Protocol):
    """The part of ComfyUI's ProgressBar that is used here."""

    def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None: ...


class NodeProgress:
    """The bar of the running node, from 0 to 100 % over all its stages. Raises if the user interrupts; shows the latest
    picture.

    Args:
        bar: ComfyUI's progress bar.
        check_interrupt: raises if the user has interrupted the run.
        shares: see `gpen.progress.Overall`.
    """

    def __init__(
        self, bar: Bar, check_interrupt: Callable[[], None], shares: Mapping[str, float] | None = None
    ) -> None:
        self._bar = bar
        self._check_interrupt = check_interrupt
        self._overall = Overall(shares)
        self._preview: tuple | None = None
        self._shown = 0

    def show(self, pictures: torch.Tensor) -> None:
        """Show the last of these pictures (B x 3 x H x W) with the next step."""
        self._preview = ("JPEG", to_pil(pictures[-1:]), _PREVIEW_SIDE)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """One step of `gpen.progress.Progress`."""
        self._check_interrupt()
        # The last step is that of `complete`: converting the result takes time, too.
        reached = min(int(self._overall(stage, done, total) * BAR_STEPS), BAR_STEPS - 1)
        preview, self._preview = self._preview, None
        if preview or reached > self._shown:
            self._shown = reached
            self._bar.update_absolute(reached, BAR_STEPS, preview)

    def complete(self) -> None:
        """Show 100 %."""
        self._bar.update_absolute(BAR_STEPS, BAR_STEPS)


def node_progress(shares: Mapping[str, float] | None = None) -> NodeProgress:
    """The progress of the node running in this thread; the node calls `complete` when its result is ready.

    Args:
        shares: see `gpen.progress.Overall`.
    """
    import comfy.model_management as management
    import comfy.utils

    bar = comfy.utils.ProgressBar(BAR_STEPS)
    return NodeProgress(bar, management.throw_exception_if_processing_interrupted, shares)


def say(*sentences: str, otherwise: str = "") -> None:
    """Show sentences in the log and as a line in the node running in this thread, which replaces the line before.

    Args:
        sentences: empty ones are left out.
        otherwise: the line if there are none and the node shows one of an earlier run, since ComfyUI keeps that one and
            cannot show an empty line.
    """
    from comfy_execution.utils import get_executing_context

    context, text = get_executing_context(), " ".join(filter(None, sentences))
    if not text and context is not None and context.node_id in _showing:
        text = otherwise
    if text:
        log.info(text)
        show_line(text)


def show_line(text: str) -> None:
    """Show a line in the node running in this thread, which replaces the line before, and not in the log."""
    from comfy_execution.utils import get_executing_context

    context = get_executing_context()
    if context is not None:
        from server import PromptServer  # not there where a script runs a block

        _showing.add(context.node_id)
        PromptServer.instance.send_progress_text(text, context.node_id)


def temporary_pictures(images: Sequence[torch.Tensor], side: int, steps: Steps) -> list[dict[str, str]]:
    """Write temporary pictures for the page.

    Args:
        images: 1 x 3 x H x W in 0..1 each.
        side: maximum longer side in pixels; larger pictures are reduced.
        steps: called after each picture; an exception it raises ends the work.

    Returns:
        The parameters of ComfyUI's `/view` for each picture.
    """
    import uuid
    from pathlib import Path

    import folder_paths

    folder = Path(folder_paths.get_temp_directory())
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for image, _ in each(images, steps):
        picture = to_pil(image)
        picture.thumbnail((side, side))
        name = f"gpen-{uuid.uuid4().hex}.jpg"
        picture.save(folder / name, quality=90)
        records.append({"filename": name, "subfolder": "", "type": "temp"})
    return records

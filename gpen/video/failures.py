"""Frames that cannot be restored: they stay as they are, unless the fault is not theirs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from ...weights.errors import WeightsError
from ..devices import answers
from ..errors import MissingPackageError, SettingsError, VideoError, causes_of, reason_of
from ..jobs.flow import Check, Stage
from ..wording import count
from .steady import SteadyWork

log = logging.getLogger(__name__)

# So many frames in a row fail for a reason that is not in them: they are about two seconds.
_MOST = 50
# Errors of the machine, of the installation and of what was asked for; the next frames would fail as well.
_NOT_OF_A_FRAME = (OSError, MissingPackageError, SettingsError, WeightsError)


def is_of_frame(error: Exception, device: torch.device) -> bool:
    """Whether an error may be due to one frame, or to a moment in which memory was short, so that others succeed.

    Args:
        error: what was raised.
        device: on which the networks run.
    """
    return not any(isinstance(cause, _NOT_OF_A_FRAME) for cause in causes_of(error)) and answers(device)


def noted_reason(error: Exception, place: str) -> str:
    """An error in one line; its traceback goes to the log."""
    log.warning("%s: %s", place, reason_of(error), exc_info=error)
    return reason_of(error)


def sparing(stage: Stage, device: torch.device) -> Stage:
    """A stage like another that lets a window pass, unchanged and with the reason, if it cannot be restored.

    Args:
        stage: a stage of `SteadyWork`, which passes over what has failed.
        device: on which the networks run.
    """

    def run(works: Sequence[SteadyWork], check: Check) -> Sequence[SteadyWork]:
        try:
            return stage.run(works, check)
        except Exception as error:
            if len(works) > 1 or not is_of_frame(error, device):  # the flow tries each of several alone
                raise
            numbers = works[0].numbers
            works[0].fail(noted_reason(error, f"Stage {stage.name}, frames {numbers[0]} to {numbers[-1]}"))
        return stage.run(works, check)

    return replace(stage, run=run)


class FailuresInARow:
    """Counts frames that failed with none that was restored between, and ends the work when there are too many."""

    def __init__(self) -> None:
        self._number = 0

    def count(self, frames: int, failed: str, *, faces: bool) -> None:
        """Count frames.

        Args:
            frames: how many.
            failed: why nothing could be done with them; empty if it could.
            faces: whether they show that others succeed: with faces to restore, or searched for faces.

        Raises:
            VideoError: too many have failed in a row.
        """
        if failed:
            self._number += frames
        elif faces:
            self._number = 0
        if self._number >= _MOST:
            raise VideoError(
                f"{count(self._number, 'frame')} in a row could not be worked on: {failed.rstrip('.')}. "
                "The same call goes on after the last finished segment."
            )

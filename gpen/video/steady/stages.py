"""The steps of a video as stages of a pipeline, several windows at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from ...backends import expect
from ...jobs.flow import Check, Limit, Stage
from ...progress import Progress
from ...stages import Networks
from ...steps import GPU_PASS, restore_together, restore_window_crops
from .state import SteadyState
from .window import SteadyChain, SteadyWork


def steady_stages(
    chain: SteadyChain, networks: Networks, state: SteadyState, *, batch_size: int = 0, on_gpu: bool = False
) -> list[Stage]:
    """The stages from `SteadyWork` with frames to the same with a result and the state that it leaves behind.

    What has failed goes through them unchanged.

    Args:
        chain: of the video.
        networks: those of the chain.
        state: what the last window before these left behind.
        batch_size: faces per forward pass, of several windows; 0: on a GPU 8, on a CPU those of one window.
        on_gpu: whether the networks run on a GPU; one thread at a time drives it then.
    """
    limit, faces = Limit(1 if on_gpu else 0), batch_size or (GPU_PASS if on_gpu else 0)
    carried = _Carried(chain, state)

    def count(work: SteadyWork) -> int:
        return len(work.track)

    return [
        *([_alone("prepare", carried.prepare, in_order=True)] if chain.prepares else []),
        _alone("cut", chain.cut_frames, limit),
        Stage("restore", partial(_restore, networks, faces), limit, faces or 1, count if faces else lambda work: 1),
        _alone("judge", lambda work, progress: chain.judge_frames(work), limit),
        _alone("settle", carried.settle, in_order=True),
        _alone("shape", chain.shape_frames, limit),
        _alone("carry", carried.carry, in_order=True),
        _alone("paste", chain.paste_frames, limit),
    ]


class _Carried:
    """What the window before left behind, for the steps that need it."""

    def __init__(self, chain: SteadyChain, state: SteadyState) -> None:
        self._chain, self._values, self._details = chain, state.values, state.details
        self._matches, self._preparation = state.matches, state.preparation

    def prepare(self, work: SteadyWork, progress: Progress) -> None:
        if not work.failed:
            self._preparation = self._chain.prepare_frames(work, self._preparation, progress)
        work.state = SteadyState(preparation=self._preparation)

    def settle(self, work: SteadyWork, progress: Progress) -> None:
        if not work.failed:
            self._values = self._chain.settle_frames(work, self._values)
        work.state = replace(work.state, values=self._values)

    def carry(self, work: SteadyWork, progress: Progress) -> None:
        if not work.failed:
            self._details = self._chain.carry_frames(work, self._details)
            self._matches = self._chain.match_frames(work, self._matches)
        work.state = replace(work.state, details=self._details, matches=self._matches)


def _alone(
    name: str, run: Callable[[SteadyWork, Progress], object], limit: Limit | None = None, *, in_order: bool = False
) -> Stage:
    """A stage that works on one window at a time."""

    def work(values: Sequence[SteadyWork], check: Check) -> Sequence[SteadyWork]:
        for value in values:
            check()
            if in_order or not value.failed:  # what has failed still hands on what was left behind before it
                run(value, _watching(check))
        return values

    return Stage(name, work, limit or Limit(), in_order=in_order)


def _restore(networks: Networks, faces: int, works: Sequence[SteadyWork], check: Check) -> Sequence[SteadyWork]:
    waiting = [work for work in works if work.crops is not None]
    crops: list[Any] = [work.crops for work in waiting]
    expect(networks.generator.module, faces=sum(map(len, crops)))
    if faces:
        answers: list[torch.Tensor] = restore_together(crops, networks, batch_size=faces, progress=_watching(check))
    else:
        answers = [restore_window_crops(own, networks, announced=True, progress=_watching(check)) for own in crops]
    for work, answer in zip(waiting, answers, strict=True):
        work.answer, work.backend = answer, networks.generator.running
    return works


def _watching(check: Check) -> Progress:
    return lambda stage, done, total: check()

"""The batches of a training run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ....weights.registry import Task as TaskName
from ...degradation.degrade import Degradation
from .lessons import make_lesson
from .pairs import PairOrder


class Batches(torch.utils.data.IterableDataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """The batches of a run from a given step on, for one of several processes.

    Yields what is shown, B x S x S x 3, the right answer, of the same shape, and where it counts, B x S x S; all uint8.
    Each worker process of a loader makes every n-th batch.

    Args:
        task: name of the task.
        faces: N x S x S x 3 uint8.
        order: order of whole batches; process `rank` of `world` takes every `world`-th position.
        degradation: strengths and probabilities.
        start, stop: range of steps, excluding `stop`.
        rank, world: index of this process and number of processes.
        labels: N x S x S uint8, maps of the faces; only for drawing.
    """

    def __init__(
        self,
        task: TaskName,
        faces: np.ndarray,
        order: PairOrder,
        degradation: Degradation,
        start: int,
        stop: int,
        rank: int = 0,
        world: int = 1,
        labels: np.ndarray | None = None,
    ) -> None:
        self.task: TaskName = task
        self.labels = labels
        self.faces = faces
        self.order = order
        self.degradation = degradation
        self.steps = range(start, stop)
        self.rank = rank
        self.world = world

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in self.steps[first::every]:
            places = self.order.at(step)[self.rank :: self.world]
            lessons = [
                make_lesson(
                    self.task,
                    self.faces[face],
                    partner,
                    self.order.seed,
                    self.degradation,
                    mirror=mirror,
                    labels=None if self.labels is None else self.labels[face],
                )
                for face, partner, mirror in places
            ]
            shown, truth, counts = (torch.from_numpy(np.stack(side)) for side in zip(*lessons, strict=True))
            yield shown, truth, counts

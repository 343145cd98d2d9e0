"""Restore files: from tasks to files in place, several at once, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from operator import length_hint

import cv2
import torch

from ..backends import settled
from ..devices import free_memory, usable_cores
from ..restorer import Restorer
from .areas import AreaFiles
from .flow import flow
from .picture_stages import PictureStages, TaskProgress
from .tasks import Announce, Outcome, Task
from .writing import Writing

# Threads beside a GPU: one launches its work, which several would only hinder each other in, and the others read and
# write meanwhile.
_GPU_WORKERS = 4


def silent(task: Task, stage: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""


def restore_files(
    tasks: Iterable[Task],
    restorer: Restorer,
    *,
    indices: str = "",
    areas: AreaFiles | None = None,
    batch_size: int = 0,
    quality: int | None = None,
    compare: bool = False,
    save_faces: bool = False,
    allow_damaged: bool = False,
    pictures: int = 0,
    workers: int = 0,
    memory: int = 0,
    progress: TaskProgress = silent,
    announce: Announce | None = None,
) -> Iterator[Outcome]:
    """Restore the faces of many files and write the results, several at once.

    On a CPU, a result depends neither on the number of workers nor on the other pictures, nor on time: it has the bytes
    of `Restorer.restore(...).save(...)`, unless passes of several faces are asked for. On a GPU, all passes of the
    network have the same number of faces; operations that a GPU adds up in any order may still differ in rounding.

    Args:
        tasks: the pictures, asked for in the caller's thread, shortly before they are begun.
        restorer: the models and settings. Its backend `auto` is settled, see `backends.settled`.
        indices: as for `Restorer.restore`.
        areas: where pictures may change; None: everywhere.
        batch_size: faces per forward pass, of several pictures; 0: on a GPU 8, on a CPU those of one picture. The
            rounding of a pass depends on its number of faces, so the last one is filled up with empty crops.
        quality: as for `Restoration.save`.
        compare: also write a before-and-after sheet: the first of the targets' `beside`.
        save_faces: also write all crops, before and after: to the folder that is the next of `beside`.
        allow_damaged: read as much as possible of damaged files.
        pictures: how many there are in all, those of earlier calls and of other shards included, by which the backend
            `auto` and the threads are chosen; 0: as many as `tasks` tell.
        workers: threads that work at once; 0: as many as there are cores, and 4 beside a GPU. On a CPU each has one
            thread of torch, or if there are fewer pictures than workers, its share of them.
        memory: bytes that pictures and the work on them may take; 0: half of what is free. A picture that takes more is
            worked on alone. Pictures also wait while less than they take is free.
        progress: called regularly, in several threads.
        announce: called before the files of a picture get their names, in several threads.

    Yields:
        The outcome of each task, in the order of the tasks. The error of one picture is its outcome and does not affect
        the others. Closing the iterator, or an exception in the caller's thread such as KeyboardInterrupt, ends the
        work within seconds; files are written whole or not at all.
    """
    on_cpu = restorer.device.type == "cpu"
    cores = workers or usual_workers(on_cpu=on_cpu)
    pictures = pictures or length_hint(tasks)
    source = iter(tasks)
    first = list(islice(source, cores))
    if not first:
        return
    chained = PictureStages(
        restorer,
        Writing(quality, compare, save_faces, allow_damaged, announce),
        indices,
        areas or AreaFiles(),
        batch_size,
        progress,
    )
    pictures = max(pictures, len(first))
    # Of all pictures, not of those that are left: another number of threads rounds otherwise.
    threads = max(cores // pictures, 1) if on_cpu else 1
    with few_threads(threads), settled(restorer.generator.module, faces=pictures):
        results = flow(
            chain(first, source),
            chained.stages(),
            workers=len(first),
            cost=chained.cost,
            fits=Room(memory),
            begin=partial(torch.set_num_threads, threads),
        )
        try:
            for done in results:
                yield Outcome(done.item, done.value, done.error, done.seconds)
        finally:
            results.close()


def usual_workers(*, on_cpu: bool) -> int:
    """Number of threads that work at once if nobody says it."""
    return usable_cores() if on_cpu else _GPU_WORKERS


@contextmanager
def few_threads(threads: int) -> Iterator[None]:
    """Let torch, OpenCV and the engines that are started use so many threads, and cuDNN only what gives the same again.

    Several pictures side by side use cores better than several threads for one: they never wait for each other.
    """
    before, filtering, steady = torch.get_num_threads(), cv2.getNumThreads(), torch.backends.cudnn.deterministic
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(filtering)
        torch.backends.cudnn.deterministic = steady


class Room:
    """Whether another picture fits into memory; called with the bytes of those on their way and of the next."""

    def __init__(self, memory: int) -> None:
        self._cpu = torch.device("cpu")
        self._most = memory or (free_memory(self._cpu) or 1 << 62) // 2

    def __call__(self, held: int, more: int) -> bool:
        free = free_memory(self._cpu)
        return held + more <= self._most and (free is None or more <= free)

"""Read the next picture while the current one is processed."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from PIL import Image

from ..images import Picture, read_picture
from .plan import Job


class ReadAhead:
    """Reads each picture while the previous one is processed, unless memory might not hold both.

    Args:
        jobs: the pictures, in the order of use.
        pool: a pool with one thread, which reads.
        allow_damaged: read as much as possible of a damaged file.
    """

    # Two pictures of this size take 1 GB as float32.
    _LARGEST = 40_000_000

    def __init__(self, jobs: Sequence[Job], pool: ThreadPoolExecutor, allow_damaged: bool = False) -> None:
        self.alone = len(jobs) == 1
        self._next = dict(pairwise(jobs))
        self._pool = pool
        self.allow_damaged = allow_damaged
        self._begun: dict[Job, Future[Picture]] = {}

    def read(self, job: Job) -> Future[Picture]:
        """Read the picture of a job, and queue the next one."""
        wanted = self._begun.pop(job, None) or self._submit(job)
        following = self._next.get(job)
        if following is not None and _is_at_most(following.source, self._LARGEST):
            self._begun[following] = self._submit(following)
        return wanted

    def _submit(self, job: Job) -> Future[Picture]:
        return self._pool.submit(read_picture, job.source, allow_damaged=self.allow_damaged)


def _is_at_most(path: Path, pixels: int) -> bool:
    """Whether the header of a file gives at most `pixels` pixels; errors are reported when the picture is read."""
    try:
        with Image.open(path) as picture:
            return picture.width * picture.height <= pixels
    except Exception:  # Pillow's plugins raise any type of exception on damaged files
        return False

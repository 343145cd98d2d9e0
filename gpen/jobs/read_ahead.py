"""Reading the next picture while one is worked on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from PIL import Image

from ..images import Picture, read_picture
from .plan import Job


class ReadAhead:
    """Reads each picture while the one before is worked on, unless it is so large that memory might not hold both.

    Args:
        jobs: the pictures, in the order in which they will be asked for.
        pool: of one thread, which reads.
        allow_damaged: take what can be read of a damaged file.
    """

    # Two pictures of this size take a gigabyte as float32.
    _LARGEST = 40_000_000

    def __init__(self, jobs: Sequence[Job], pool: ThreadPoolExecutor, allow_damaged: bool = False) -> None:
        self.alone = len(jobs) == 1
        self._next = dict(pairwise(jobs))
        self._pool = pool
        self.allow_damaged = allow_damaged
        self._begun: dict[Job, Future[Picture]] = {}

    def read(self, job: Job) -> Future[Picture]:
        """The picture of a job; the next one is begun behind it."""
        wanted = self._begun.pop(job, None) or self._submit(job)
        following = self._next.get(job)
        if following is not None and _is_at_most(following.source, self._LARGEST):
            self._begun[following] = self._submit(following)
        return wanted

    def _submit(self, job: Job) -> Future[Picture]:
        return self._pool.submit(read_picture, job.source, allow_damaged=self.allow_damaged)


def _is_at_most(path: Path, pixels: int) -> bool:
    """Whether a file says that its picture has at most so many pixels; what cannot be read will be told in its turn."""
    try:
        with Image.open(path) as picture:
            return picture.width * picture.height <= pixels
    except Exception:  # Pillow's plugins raise whatever they like on damaged files
        return False

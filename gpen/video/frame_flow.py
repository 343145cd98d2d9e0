"""Threads and memory for the frames of a video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from ..backends import settled
from ..jobs.flow import Limit
from ..jobs.picture_stages import BYTES_PER_PIXEL
from ..jobs.restoring import Room, few_threads, usual_workers
from ..restorer import Restorer
from .files import VideoInfo

# Bytes for a pixel of a frame that only waits to be encoded.
_BYTES_WAITING = 6
# For each thread, so many frames may be on their way, but so many windows at least: where the caller is slower, what is
# done waits for it, and would fill the memory.
_FRAMES_AHEAD, _WINDOWS_AHEAD = 12, 3


class FrameFlow:
    """How the frames of a video go through their stages.

    Args:
        restorer: its device decides.
        workers: threads that work at once; 0: as many as there are cores, and 4 beside a GPU.
        memory: bytes that frames and the work on them may take; 0: half of what is free.
    """

    def __init__(self, restorer: Restorer, *, workers: int = 0, memory: int = 0) -> None:
        self.on_gpu = restorer.device.type != "cpu"
        self._workers = workers or usual_workers(on_cpu=not self.on_gpu)
        self._generator = restorer.generator.module
        self._fits = Room(memory)
        self.network = Limit(1 if self.on_gpu else 0)
        """One thread at a time drives a GPU."""

    @contextmanager
    def threads(self, faces: int) -> Iterator[None]:
        """Let each thread work with one of torch's, and the backend `auto` be settled for a number of faces."""
        with few_threads(1), settled(self._generator, faces=faces):
            yield

    def how(self, info: VideoInfo, *, frames: int = 1, look: Callable[[], object] = lambda: None) -> dict[str, Any]:
        """Arguments of `flow` for windows of so many frames of a video; `look` as there."""
        pixels = frames * info.width * info.height
        each = BYTES_PER_PIXEL * pixels + self._generator.activation_bytes()
        return {
            "workers": self._workers,
            "most": self._workers * max(_FRAMES_AHEAD // frames, _WINDOWS_AHEAD),
            "cost": lambda item: each,
            "fits": self._fits,
            "kept": lambda value: _BYTES_WAITING * pixels,
            "begin": partial(torch.set_num_threads, 1),
            "look": look,
        }

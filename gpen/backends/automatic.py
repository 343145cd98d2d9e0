"""`auto` on a CPU: plain PyTorch for few faces, and the fastest engine once there are enough faces."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from ..devices import wait_for
from ..network import Generator
from .accelerated import Accelerated
from .engine import Engine
from .trial import Trial, likely_cost

# Maximum ratio to eager's time for a backend to be worth its memory and start.
WORTH_IT = 0.95
# Assumed ratio to eager's time of an engine never tried: 0.5 to 0.7 on the CPUs that were measured.
_LIKELY = 0.6
# Rough costs of a network whose times are not measured: seconds of a face for a byte of its maps (2.5e-9 to 6.8e-9 for
# those of 256 and 512 pixels on one core), and of the start of an engine, beside that of some faces.
_SECONDS_PER_BYTE, _START, _START_FACES = 4e-9, 3.0, 5
# An engine is started by one thread while the others wait, and then saves time of all.
_MARGIN = 4
# Number of passes before their time is used; the first one also initialises the libraries.
_WARM = 2


class Automatic(Accelerated):
    """A generator that switches to an engine once there is enough work to make up for its start.

    The expected work is the faces of this call and, for each announced picture, as many faces as previous pictures had.
    Without an announcement, as many faces are expected as there have been so far. The total time is then never much
    more than twice the minimum, whenever the work ends.

    Args:
        generator: the generator in the number format to run in.
        device_type: device type of the engines.
        recall: returns the cached trials of the available engines, None for those never tried.
        start: returns the fastest engine if it is faster than plain PyTorch, or if they are not to be raced, the first
            that can be used; None if there is none.

    Attributes:
        pictures_left: number of pictures after this one.
    """

    def __init__(
        self,
        generator: Generator,
        device_type: str,
        recall: Callable[[], Sequence[Trial | None]],
        start: Callable[[bool], Accelerated | None],
    ) -> None:
        super().__init__(generator, None, "eager", device_type, checked=True)
        self.pictures_left = 0
        self._recall = recall
        self._start = start
        self._moved = False
        self._known: Sequence[Trial | None] | None = None
        self._moving = threading.Lock()
        self._passes = 0
        self._seconds = float("inf")  # best time of one face so far
        self._calls = self._seen = self._waiting = 0
        self._way: Callable[[Tensor], Tensor] | None = None  # inside of `settled`
        # Of `settled`: the number of threads, the engine that has them, and its name.
        self._ranked: tuple[int, Engine | None, str] | None = None

    def expect(self, faces: int) -> None:
        """As `Accelerated.expect`."""
        super().expect(faces)
        self._calls += 1
        self._waiting = faces

    @contextmanager
    def settled(self, faces: int) -> Iterator[None]:
        """See `accelerate.settled`; it does not depend on what ran before, and what runs after does not on it."""
        seconds = _SECONDS_PER_BYTE * self.activation_bytes()
        pays = faces * seconds * (1 - _LIKELY) > _MARGIN * (_START + _START_FACES * seconds)
        before, self._way = self._way, self._by_rank() if pays else self._run_as_written
        try:
            yield
        finally:
            self._way = before

    def _by_rank(self) -> Callable[[Tensor], Tensor]:
        """The first engine that can be used, whatever time it takes; plain PyTorch if there is none."""
        threads = torch.get_num_threads()
        with self._moving:
            if self._ranked is None or self._ranked[0] != threads:
                with torch.inference_mode(False):
                    chosen = self._start(False)
                self._ranked = threads, chosen and chosen._engine, chosen._name if chosen else "eager"
            _, engine, name = self._ranked
        return partial(self._run_by, engine, name) if engine else self._run_as_written

    def forward(self, x: Tensor) -> Tensor:
        """As `Generator.forward`."""
        if self._way is not None:
            return self._way(x)
        if len(x) and not self._moved and x.device.type == self._device_type:
            if self._believed() is None:
                first = self._timed(x[:1])
                return first if len(x) == 1 else torch.cat([first, self(x[1:])])
            if not self._pays():
                return self._timed(x)
            self._move()
        return super().forward(x)

    def _timed(self, x: Tensor) -> Tensor:
        began = time.perf_counter()
        restored = self._run_as_written(x)
        wait_for(x.device)
        self._seconds = min(self._seconds, (time.perf_counter() - began) / len(x))
        self._passes += 1
        return restored

    def _count(self, faces: int, backend: str) -> None:
        super()._count(faces, backend)
        self._seen += faces
        self._waiting -= min(faces, self._waiting)

    def _trials(self) -> Sequence[Trial | None]:
        if self._known is None:
            self._known = self._recall()
        return self._known

    def _believed(self) -> float | None:
        """Seconds per face in plain PyTorch; None if unknown."""
        if self._passes >= _WARM:
            return self._seconds
        return min((trial.eager_seconds for trial in self._trials() if trial), default=None)

    def _pays(self) -> bool:
        """Whether starting an engine is worth it."""
        eager = self._believed()
        assert eager is not None
        for_each = self._seen / max(self._calls - 1, 1)
        ahead = self._waiting + max(self.pictures_left * for_each, self._seen)
        trials = self._trials()
        tried = [trial for trial in trials if trial]
        cost = (len(trials) - len(tried)) * likely_cost(eager)
        share = _LIKELY
        if not cost:
            best = min(tried, key=lambda trial: trial.seconds)
            cost = best.start_seconds or likely_cost(eager)
            share = best.seconds / min(trial.eager_seconds for trial in tried)
            if share > WORTH_IT:
                self._moved = True  # no engine is worth it
                return False
        return ahead * eager * (1 - share) > cost

    def _move(self) -> None:
        with self._moving:
            if self._moved:
                return
            with torch.inference_mode(False):
                chosen = self._start(True)
            if chosen is not None:
                self._take_over(chosen)
            self._moved = True

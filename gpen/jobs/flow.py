"""A bounded pipeline: items go through stages in threads, and results come out in the order of the items.

It knows nothing of what the items are: files here, or the frames of a video.
"""

from __future__ import annotations

import heapq
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import causes_of

Item = TypeVar("Item")

Check = Callable[[], None]
"""Called by long work now and then; what it raises ends the work, since nobody waits for it any more."""

# Longest wait in seconds after which the flow looks again: memory of other programs becomes free without a word, and
# on Windows nothing else lets KeyboardInterrupt through.
_LOOK = 0.2


class FlowStopped(BaseException):
    """Raised in the threads of a flow that was ended; no stage may catch it."""


@dataclass(frozen=True, eq=False)
class Limit:
    """How many runs there may be at the same time of all stages that share it.

    Attributes:
        runs: largest number; 0: no limit.
    """

    runs: int = 0


@dataclass(frozen=True)
class Stage:
    """One step of the work.

    Attributes:
        name: for the log and the names of threads in a debugger.
        run: called with the values of some items and a `Check`; returns their next values, in the same order.
        limit: of its runs at the same time.
        together: how much one run takes, in the unit of `fill`. A run begins when it is full, or when no other item
            can reach it.
        fill: how much of a run a value takes. One value is always taken.
        in_order: the items come one at a time, in their order: each run may use what the one before left behind.
    """

    name: str
    run: Callable[[Sequence[Any], Check], Sequence[Any]]
    limit: Limit = Limit()
    together: int = 1
    fill: Callable[[Any], int] = lambda value: 1
    in_order: bool = False


@dataclass(frozen=True, eq=False)
class Done(Generic[Item]):
    """An item at the end of the flow.

    Attributes:
        item: the item.
        value: what the last stage returned; None if a stage raised.
        error: what a stage raised, or None.
        seconds: time spent in the stages; of a run with several items, an equal part.
    """

    item: Item
    value: Any
    error: Exception | None
    seconds: float


class _Entry(Generic[Item]):
    """An item on its way."""

    def __init__(self, number: int, item: Item, cost: int) -> None:
        self.number, self.item, self.cost = number, item, cost
        self.value: Any = item
        self.error: Exception | None = None
        self.seconds = 0.0

    def __lt__(self, other: _Entry) -> bool:
        return self.number < other.number


def flow(
    items: Iterable[Item],
    stages: Sequence[Stage],
    *,
    workers: int,
    most: int = 0,
    cost: Callable[[Item], int] = lambda item: 1,
    fits: Callable[[int, int], bool] = lambda held, cost: True,
    kept: Callable[[Any], int] = lambda value: 0,
    begin: Callable[[], object] = lambda: None,
    look: Callable[[], object] = lambda: None,
) -> Generator[Done[Item], None, None]:
    """Let items go through stages.

    One pool of threads serves all stages. Each takes the work that is furthest down the line, so that items leave
    before others enter, and of one stage the earliest item.

    Args:
        items: asked for in the caller's thread, one by one, not before there is room.
        stages: the first is given the items, each other what the one before it returned.
        workers: number of threads.
        most: largest number of items on their way, those included that wait until they are asked for; 0: no limit.
        cost: memory that an item takes on its way, in any unit.
        fits: called with the sum of the costs of the items on their way and the cost of the next; whether it may enter.
            With none on its way, it always may.
        kept: memory that a final value takes until it is asked for, in the unit of `cost`.
        begin: called in each thread before its first work.
        look: called in the caller's thread several times a second while it waits; what it raises ends the work.

    Yields:
        One `Done` for each item, in their order. An exception of a stage is the item's error and does not affect the
        others: a run with several items is repeated with each alone.

    Raises:
        Exception: whatever `items`, `cost`, `fits` or `look` raise. As when the iterator is closed, all threads have
            ended then: a run that calls its `Check` ends there, and another is awaited.
    """
    return _Flow(stages, workers, most, cost, fits, kept, begin, look).run(items)


class _Flow(Generic[Item]):
    def __init__(
        self,
        stages: Sequence[Stage],
        workers: int,
        most: int,
        cost: Callable[[Item], int],
        fits: Callable[[int, int], bool],
        kept: Callable[[Any], int],
        begin: Callable[[], object],
        look: Callable[[], object],
    ) -> None:
        self._stages, self._workers, self._most = tuple(stages), workers, most
        self._cost, self._fits, self._kept, self._begin, self._look = cost, fits, kept, begin, look
        self._changed = threading.Condition()
        self._waiting: list[list[_Entry[Item]]] = [[] for _ in stages]
        self._running = [0] * len(stages)
        # Of each stage, the first item that has not been through, and the later ones that have.
        self._next, self._through = [0] * len(stages), [set[int]() for _ in stages]
        self._finished: dict[int, _Entry[Item]] = {}
        self._held = self._inside = 0  # costs and number of the items that came in and did not leave
        self._open = True  # whether another item will come in without one leaving
        self._stopped = False
        self._fault: BaseException | None = None

    def run(self, items: Iterable[Item]) -> Generator[Done[Item], None, None]:
        threads = [
            threading.Thread(target=self._work, name=f"flow-{number}", daemon=True) for number in range(self._workers)
        ]
        source, entered, left = iter(items), 0, 0
        pending: _Entry[Item] | None = None
        ended = False
        try:
            for thread in threads:
                thread.start()
            while True:
                while not ended and self._wants_more():
                    if pending is None:
                        try:
                            item = next(source)
                        except StopIteration:
                            ended = True
                            self._close()
                            break
                        pending = _Entry(entered, item, self._cost(item))
                        entered += 1
                    if not self._enter(pending):
                        break
                    pending = None
                if ended and left == entered:
                    return
                entry = self._take(left)
                if entry is not None:
                    left += 1
                    yield Done(entry.item, entry.value, entry.error, entry.seconds)
                else:
                    self._look()
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _wants_more(self) -> bool:
        """Whether the threads could soon begin another item."""
        with self._changed:
            return len(self._waiting[0]) < self._workers

    def _enter(self, entry: _Entry[Item]) -> bool:
        with self._changed:
            full = self._most and self._inside >= self._most
            self._open = not self._inside or (not full and self._fits(self._held, entry.cost))
            self._changed.notify_all()
            if not self._open:
                return False
            self._held += entry.cost
            self._inside += 1
            heapq.heappush(self._waiting[0], entry)
            return True

    def _close(self) -> None:
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _take(self, number: int) -> _Entry[Item] | None:
        """The item of this number once it is done; None if something else happened that may let another in."""
        with self._changed:
            if self._fault is not None:
                raise self._fault
            if number not in self._finished:
                self._changed.wait(_LOOK)
            entry = self._finished.pop(number, None)
            if entry is not None:
                self._held -= entry.cost
                self._inside -= 1
            return entry

    def _work(self) -> None:
        try:
            self._begin()
            while True:
                place, entries = self._next_run()
                self._pass(self._stages[place], entries)
                self._hand_on(place, entries)
        except FlowStopped:
            pass
        except BaseException as fault:  # a fault of the flow itself, or of a callback; the caller's thread raises it
            with self._changed:
                self._fault = self._fault or fault
                self._changed.notify_all()

    def _next_run(self) -> tuple[int, list[_Entry[Item]]]:
        """Wait for work; the number of its stage, and the items."""
        with self._changed:
            while True:
                if self._stopped:
                    raise FlowStopped
                for place in reversed(range(len(self._stages))):
                    entries = self._ready(place)
                    if entries:
                        self._waiting[place] = [entry for entry in self._waiting[place] if entry not in entries]
                        heapq.heapify(self._waiting[place])
                        self._running[place] += 1
                        self._changed.notify_all()  # there may be room for another item
                        return place, entries
                self._changed.wait()

    def _ready(self, place: int) -> list[_Entry[Item]]:
        """The items that a stage can run now."""
        stage, waiting = self._stages[place], self._waiting[place]
        together = zip(self._running, self._stages, strict=True)
        running = sum(runs for runs, other in together if other.limit is stage.limit)
        if not waiting or 0 < stage.limit.runs <= running:
            return []
        if stage.in_order:
            return waiting[:1] if not self._running[place] and waiting[0].number == self._next[place] else []
        if stage.together <= 1:
            return waiting[:1]
        entries, filled = [], 0
        for entry in sorted(waiting):
            more = stage.fill(entry.value)
            if entries and filled + more > stage.together:
                return entries
            entries.append(entry)
            filled += more
        more_will_come = self._open or any(self._waiting[:place]) or any(self._running[:place])
        return [] if 0 < filled < stage.together and more_will_come else entries

    def _pass(self, stage: Stage, entries: Sequence[_Entry[Item]]) -> None:
        began = time.perf_counter()
        try:
            values = stage.run([entry.value for entry in entries], self._check)
        except Exception as error:
            if len(entries) > 1:
                for entry in entries:
                    self._pass(stage, [entry])
                return
            _forget_locals(error)
            entries[0].error, values = error, [None]
        each = (time.perf_counter() - began) / len(entries)
        for entry, value in zip(entries, values, strict=True):
            entry.value = value
            entry.seconds += each

    def _hand_on(self, place: int, entries: Sequence[_Entry[Item]]) -> None:
        following = place + 1
        done = [entry for entry in entries if entry.error or following == len(self._stages)]
        freed = {entry: entry.cost - (0 if entry.error else self._kept(entry.value)) for entry in done}
        with self._changed:
            self._running[place] -= 1
            for entry in entries:
                self._let_pass(place, entry)
                if entry in freed:
                    entry.cost -= freed[entry]
                    self._held -= freed[entry]
                    self._finished[entry.number] = entry
                else:
                    heapq.heappush(self._waiting[following], entry)
            self._changed.notify_all()

    def _let_pass(self, place: int, entry: _Entry[Item]) -> None:
        """Note that the stages, this one or with an error all that follow, do not wait for an item any more."""
        for stage in range(place, len(self._stages) if entry.error else place + 1):
            gone = self._through[stage]
            gone.add(entry.number)
            while self._next[stage] in gone:
                gone.remove(self._next[stage])
                self._next[stage] += 1

    def _check(self) -> None:
        if self._stopped:
            raise FlowStopped


def _forget_locals(error: BaseException | None) -> None:
    """Let go of what the frames of an exception hold: a report of an error must not keep a picture in memory."""
    for cause in causes_of(error):
        traceback.clear_frames(cause.__traceback__)

"""The pipeline alone: order, bounds, faults and ends, on numbers."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen_blocks.gpen.jobs.flow import Check, Limit, Stage, flow


def one_by_one(name, work, **how) -> Stage:
    return Stage(name, lambda values, check: [work(value) for value in values], **how)


class Meter:
    """Counts how many are inside at the same time, and the largest number there was."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def add(self, more: int) -> None:
        with self._lock:
            self.now += more
            self.most = max(self.most, self.now)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 25),
    workers=st.integers(1, 6),
    budget=st.integers(1, 12),
    together=st.integers(1, 5),
    at_once=st.integers(0, 2),
    delays=st.randoms(use_true_random=False),
)
def test_results_come_in_order_and_memory_is_bounded(count, workers, budget, together, at_once, delays):
    costs = [delays.randint(1, 8) for _ in range(count)]
    faulty = {number for number in range(count) if delays.random() < 0.2}
    held, running = Meter(), Meter()

    def read(number: int) -> int:
        held.add(costs[number])
        time.sleep(delays.choice((0, 0, 0.001, 0.003)))
        return number

    def join(numbers: Sequence[int], check: Check) -> list[int]:
        running.add(1)
        try:
            if len(numbers) > 1:
                assert len(numbers) <= together
            if faulty.intersection(numbers):
                if len(numbers) == 1:  # it fails for good, and holds nothing any more
                    held.add(-costs[numbers[0]])
                raise ValueError("faulty")
            return [10 * number for number in numbers]
        finally:
            running.add(-1)

    def write(value: int) -> str:
        return str(value)

    stages = [
        one_by_one("read", read),
        Stage("join", join, Limit(at_once), together=together),
        one_by_one("write", write),
    ]
    out = []
    for done in flow(
        range(count),
        stages,
        workers=workers,
        cost=lambda number: costs[number],
        fits=lambda now, more: now + more <= budget,
        kept=lambda value: costs[int(value) // 10],
    ):
        held.add(-costs[done.item] if done.error is None else 0)
        out.append(done)
    assert [done.item for done in out] == list(range(count))
    for done in out:
        if done.item in faulty:
            assert done.value is None and isinstance(done.error, ValueError)
        else:
            assert done.value == str(10 * done.item) and done.error is None
    assert held.most <= max([budget, *costs])
    assert not at_once or running.most <= at_once


def test_one_item_enters_whatever_it_costs():
    stages = [one_by_one("work", lambda value: value)]
    done = flow([5, 500, 5], stages, workers=3, cost=lambda item: item, fits=lambda held, cost: held + cost <= 10)
    assert [one.value for one in done] == [5, 500, 5]


def test_items_are_asked_for_only_when_there_is_room_and_in_the_callers_thread():
    asked: list[int] = []
    release = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(100):
            assert threading.current_thread() is threading.main_thread()
            asked.append(number)
            yield number

    def work(number: int) -> int:
        if number:
            release.wait(5)
        return number

    results = flow(numbers(), [one_by_one("work", work)], workers=2)
    assert next(results).item == 0
    time.sleep(0.1)
    # Two are worked on, two wait for a thread, and one left; the next is asked for only to look whether it fits.
    assert len(asked) <= 6
    release.set()
    assert [done.item for done in results] == list(range(1, 100))


@pytest.mark.parametrize("most", [1, 5])
def test_no_more_items_are_on_their_way_than_allowed_where_the_caller_is_slow(most):
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(40):
            asked.append(number)
            yield number

    left = 0
    for done in flow(numbers(), [one_by_one("work", lambda number: number)], workers=4, most=most):
        left += 1
        time.sleep(0.003)
        assert len(asked) <= left + most + 1  # one is asked for before it may enter
        assert done.value == left - 1
    assert left == 40


def test_the_work_furthest_down_the_line_comes_first():
    order: list[str] = []

    def note(name: str):
        def work(number: int) -> int:
            order.append(f"{name}{number}")
            return number

        return one_by_one(name, work)

    list(flow(range(4), [note("a"), note("b"), note("c")], workers=1))
    assert order == [f"{stage}{number}" for number in range(4) for stage in "abc"]


def test_stages_can_share_a_limit():
    running = Meter()

    def work(number: int) -> int:
        running.add(1)
        time.sleep(0.005)
        running.add(-1)
        return number

    for limit, most in ((Limit(1), {1}), (Limit(2), {2}), (Limit(), {3, 4})):
        running.most = 0
        list(flow(range(12), [one_by_one(name, work, limit=limit) for name in "abc"], workers=4))
        assert running.most in most


def test_runs_with_several_items_are_full_until_the_items_end():
    sizes: list[int] = []

    def join(numbers: Sequence[int], check: Check) -> Sequence[int]:
        sizes.append(len(numbers))
        return numbers

    stages = [one_by_one("read", lambda value: value), Stage("join", join, Limit(1), together=4)]
    assert [done.value for done in flow(range(11), stages, workers=2)] == list(range(11))
    assert sum(sizes) == 11 and sizes.count(4) >= 2


def test_a_run_takes_no_more_than_fits_but_always_one():
    taken: list[list[int]] = []

    def join(numbers: Sequence[int], check: Check) -> Sequence[int]:
        taken.append(list(numbers))
        return numbers

    faces = [3, 0, 9, 2, 2, 0, 1, 3]
    stages = [one_by_one("read", lambda value: value), Stage("join", join, Limit(1), 4, lambda value: value)]
    assert [done.value for done in flow(faces, stages, workers=3)] == faces
    assert all(sum(numbers) <= 4 or len([n for n in numbers if n]) == 1 for numbers in taken)


def test_it_ends_within_a_second_when_nobody_waits_any_more():
    begun = threading.Event()

    def endless(values: Sequence[int], check: Check) -> Sequence[int]:
        while values[0]:
            begun.set()
            check()
            time.sleep(0.01)
        return values

    before = threading.active_count()
    results = flow(range(10), [Stage("endless", endless)], workers=3)
    assert next(results).value == 0
    begun.wait(5)
    start = time.perf_counter()
    results.close()
    assert time.perf_counter() - start < 1
    assert threading.active_count() == before


def test_who_waits_can_end_the_work_at_any_time():
    """What is looked for while nothing is finished, such as a stop, ends the flow within a second."""
    began = time.perf_counter()

    def endless(values: Sequence[int], check: Check) -> Sequence[int]:
        while True:
            check()
            time.sleep(0.01)

    def look() -> None:
        if time.perf_counter() - began > 0.3:
            raise InterruptedError

    before = threading.active_count()
    with pytest.raises(InterruptedError):
        list(flow(range(3), [Stage("endless", endless)], workers=2, look=look))
    assert time.perf_counter() - began < 1.5
    assert threading.active_count() == before


@pytest.mark.parametrize("place", ["items", "cost", "begin"])
def test_a_fault_outside_the_stages_ends_the_flow_and_its_threads(place):
    def items() -> Iterator[int]:
        yield 1
        if place == "items":
            raise OSError("the list cannot be read")
        yield 2

    def cost(item: int) -> int:
        if place == "cost" and item == 2:
            raise OSError("no size")
        return 1

    def begin() -> None:
        if place == "begin":
            raise OSError("no thread settings")

    before = threading.active_count()
    with pytest.raises(OSError):
        list(flow(items(), [one_by_one("work", lambda value: value)], workers=2, cost=cost, begin=begin))
    assert threading.active_count() == before


def test_an_error_does_not_hold_what_the_work_held():
    class Big:
        pass

    kept: list[weakref.ref] = []

    def fail(number: int) -> int:
        big = Big()
        kept.append(weakref.ref(big))
        try:
            raise OSError("no space")
        except OSError as error:
            raise ValueError("not written") from error

    done = list(flow(range(3), [one_by_one("fail", fail)], workers=1))
    assert [str(one.error) for one in done] == ["not written"] * 3
    assert [ref() for ref in kept] == [None] * 3


def test_an_interruption_in_the_callers_loop_ends_the_threads():
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        for done in flow(range(1000), [one_by_one("work", lambda value: value)], workers=2):
            if done.item == 5:
                raise KeyboardInterrupt
    assert threading.active_count() == before


def test_workers_run_beside_each_other():
    """Eight threads that wait as long as a network on another machine: at least 0.9 of linear."""
    stages = [one_by_one("wait", lambda value: time.sleep(0.05))]

    def seconds(workers: int) -> float:
        start = time.perf_counter()
        list(flow(range(64), stages, workers=workers))
        return time.perf_counter() - start

    assert seconds(1) / seconds(8) > 0.9 * 8


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 20), workers=st.integers(1, 5), delays=st.randoms(use_true_random=False))
def test_a_stage_in_order_gets_the_items_one_by_one_past_those_that_failed(count, workers, delays):
    early, late = ({number for number in range(count) if delays.random() < 0.2} for _ in range(2))
    inside, seen = Meter(), []

    def shuffle(number: int) -> int:
        time.sleep(delays.choice((0, 0, 0.001, 0.004)))
        if number in early:
            raise ValueError(number)
        return number

    def remember(number: int) -> int:
        inside.add(1)
        time.sleep(delays.choice((0, 0.001)))
        inside.add(-1)
        if number in late:
            raise ValueError(number)
        seen.append(number)
        return number

    stages = [
        one_by_one("shuffle", shuffle),
        one_by_one("first", remember, in_order=True),
        one_by_one("between", lambda number: number),
        one_by_one("second", lambda number: (number, len(seen)), in_order=True),
    ]
    done = list(flow(range(count), stages, workers=workers))
    kept = [number for number in range(count) if number not in early | late]
    assert seen == kept and inside.most <= 1
    assert [one.item for one in done if one.error is None] == kept
    assert [one.value[0] for one in done if one.error is None] == kept

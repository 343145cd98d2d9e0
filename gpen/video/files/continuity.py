"""Times of packets that begin again, jump or are wrong: they are made continuous before anything else reads them."""

from __future__ import annotations

from array import array
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...wording import agree, count
from .opening import av_errors, is_cover, open_video, video_errors

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

# AVFMT_TS_DISCONT: times may begin anew anywhere in such files, as after joining broadcasts.
_MAY_JUMP = 0x200
# Files that hold the lengths of packets instead of times.
_RISING = ("mov", "avi", "gif")
# Seconds: as FFmpeg's command judges jumps (`dts_delta_threshold` forwards).
_BACK, _FORTH = 0.1, 10.0
# Seconds after which a packet is looked at.
_USUAL = 1.0
# Packets that share one wrong time at most: a damaged packet of a transport stream may hold many of sound.
_MOST_WRONG = 64
# Frames that may be shown while one that is decoded already waits: 16 in H.264 and HEVC, and some to spare.
_REORDERED = 20
# Seconds by which the jumps of two streams differ at most that are one.
_ALIKE = 5.0


@dataclass(frozen=True)
class Timeline:
    """How the times of the packets of a file are mended; false if they need not be.

    Attributes:
        shifts: by stream, from which of its packets on the times are moved, and by how much.
        wrong: by stream and packet, the times (pts, dts) in place of wrong ones.
        notes: what was mended, one sentence each.
    """

    shifts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    wrong: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.shifts or self.wrong)

    def mended(self, packets: Iterable[Packet]) -> Iterator[Packet]:
        """Set packets right that are read from the beginning of the file on, of all streams or of some."""
        numbers: Counter[int] = Counter()
        for packet in packets:
            if self and packet.size:
                stream = packet.stream_index
                self._mend(packet, stream, numbers[stream])
                numbers[stream] += 1
            yield packet

    def _mend(self, packet: Packet, stream: int, number: int) -> None:
        if number in self.wrong.get(stream, ()):
            packet.pts, packet.dts = self.wrong[stream][number]
        shifts = self.shifts.get(stream, [])
        place = bisect(shifts, number, key=lambda shift: shift[0])
        if place:
            units = shifts[place - 1][1]
            packet.pts = None if packet.pts is None else packet.pts + units
            packet.dts = None if packet.dts is None else packet.dts + units


AS_IT_IS = Timeline()
"""Mends nothing."""


def timeline_of(path: Path) -> Timeline:
    """Read all packets of a file once, and see how their times go on.

    1. A packet, or the few of one damaged place, whose time is elsewhere while the next ones go on as before: it gets a
       time between its neighbours.
    2. A stream goes back, or in files that may do so more than ten seconds on: from there on, its times and those of
       the streams that jump with it are moved alike, so that none overlaps and sound stays with the picture. A way
       forwards during which another stream goes on is no jump: a picture stands for long there.

    Raises:
        VideoError: the file cannot be read.
    """
    with video_errors(path):
        status = path.stat()
    return _read(path.absolute(), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _read(path: Path, size: int, changed: int) -> Timeline:
    with open_video(path) as container, video_errors(path):
        if any(kind in container.format.name for kind in _RISING):
            return AS_IT_IS
        ways = _ways(container)
        may_jump = bool(container.format.flags & _MAY_JUMP)
    wrong = {way.index: found for way in ways if (found := way.mend_wrong())}
    jumps = _jumps([way for way in ways if way.steady], may_jump)
    shifts = _shifts(ways, jumps)
    notes = []
    if jumps:
        places, when = count(len(jumps), "place"), jumps[0].seconds
        notes.append(
            f"The times of {path.name} jump in {places}, the first after {when:.2f} s; they were made continuous."
        )
    if wrong:
        packets = sum(map(len, wrong.values()))
        one = agree(packets, "a wrong time", "wrong times")
        notes.append(
            f"{count(packets, 'packet')} of {path.name} had {one}, which {agree(packets, 'was', 'were')} mended."
        )
    return Timeline(shifts, wrong, tuple(notes))


class _Way:
    """The packets of one stream: when they are decoded and shown, and where they lie among all of the file."""

    def __init__(self, index: int, time_base: Fraction, *, steady: bool) -> None:
        self.index, self.unit, self.steady = index, float(time_base), steady
        self._decoded, self._shown, self._orders = array("q"), array("q"), array("q")

    def add(self, packet: Packet, order: int) -> None:
        last = self._decoded[-1] if self._decoded else 0
        decoded = packet.dts if packet.dts is not None else last
        self._decoded.append(decoded)
        self._shown.append(decoded if packet.pts is None else packet.pts)
        self._orders.append(order)

    def end(self) -> None:
        self.times = np.array(self._decoded, np.float64) * self.unit
        self.orders = np.array(self._orders)
        steps = np.diff(self.times)
        self.step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
        self.odd = [int(place) + 1 for place in np.flatnonzero((steps < -_BACK) | (steps > _USUAL))]

    def mend_wrong(self) -> dict[int, tuple[int, int]]:
        """Give times to packets that have wrong ones; returns them."""
        wrong: dict[int, tuple[int, int]] = {}
        if not len(self.times):
            return wrong
        lags = np.array(self._shown) - np.array(self._decoded)
        lag = int(np.median(lags))
        for first, last in list(pairwise(self.odd)):
            before, gap = first - 1, float(self.times[last] - self.times[first - 1])
            # Times that only rise are right, however uneven they are.
            back = min(self.times[first] - self.times[before], self.times[last] - self.times[last - 1]) < -_BACK
            near = last - first <= _MOST_WRONG and 0 <= gap <= _USUAL + 3 * self.step * (last - before)
            if before in wrong or not back or not near:
                continue
            self.times[before : last + 1] = np.linspace(self.times[before], self.times[last], last - before + 1)
            for number in range(first, last):
                own = lags[number] if 0 <= lags[number] * self.unit <= _USUAL else lag
                decoded = round(self.times[number] / self.unit)
                wrong[number] = decoded + int(own), decoded
        # Frames that are reordered wait for as long as those stand that are shown before them.
        most = max(_FORTH, _REORDERED * float(np.diff(self.times).max(initial=0.0)))
        for number in np.flatnonzero(np.abs(lags - lag) * self.unit > most):
            if int(number) not in wrong:
                decoded = self._decoded[number]
                wrong[int(number)] = decoded + lag, decoded
        steps = np.diff(self.times)
        self.odd = [place for place in self.odd if not -_BACK <= steps[place - 1] <= _USUAL]
        return wrong

    def jumps(self, may_jump: bool) -> Iterator[tuple[int, float]]:
        """The packets before which times jump, and by how many seconds beside the usual step."""
        for place in self.odd:
            step = float(self.times[place] - self.times[place - 1])
            # Pictures that stand for long follow each other so slowly again and again.
            slow = place + 1 < len(self.times) and self.times[place + 1] - self.times[place] > _FORTH
            if step < -_BACK or (may_jump and step > _FORTH and not slow):
                yield place, step - self.step


@dataclass
class _Jump:
    """A place at which times jump.

    Attributes:
        order: of the first packet after it, among all of the file.
        change: seconds.
        seconds: of the last packet before it.
        places: by stream, the first packet after it.
    """

    order: int
    change: float
    seconds: float
    places: dict[int, int]


def _ways(container: InputContainer) -> list[_Way]:
    ways = {
        stream.index: _Way(
            stream.index, stream.time_base, steady=stream.type in ("video", "audio") and not is_cover(stream)
        )
        for stream in container.streams
        if stream.time_base
    }
    packets, order = container.demux(), 0
    while True:
        try:
            packet = next(packets, None)
        except av_errors():
            break  # who reads the file tells
        if packet is None:
            break
        if packet.size and packet.stream_index in ways:
            ways[packet.stream_index].add(packet, order)
            order += 1
    for way in ways.values():
        way.end()
    return list(ways.values())


def _jumps(ways: list[_Way], may_jump: bool) -> list[_Jump]:
    """The jumps of a file, in their order; those of several streams are one."""
    single = sorted(
        (int(way.orders[place]), change, float(way.times[place - 1] - way.times[0]), way.index, place)
        for way in ways
        for place, change in way.jumps(may_jump)
    )
    jumps: list[_Jump] = []
    for order, change, seconds, stream, place in single:
        if jumps and stream not in jumps[-1].places and abs(change - jumps[-1].change) < _ALIKE:
            jumps[-1].places[stream] = place
        else:
            jumps.append(_Jump(order, change, seconds, {stream: place}))

    def goes_on(jump: _Jump) -> bool:
        own = next(way for way in ways if way.index in jump.places)
        place = jump.places[own.index]
        begin, end = own.times[place - 1] + _USUAL, own.times[place] - _USUAL
        return any(
            way.index not in jump.places and bool(((begin < way.times) & (way.times < end)).any()) for way in ways
        )

    return [jump for jump in jumps if jump.change < 0 or not goes_on(jump)]


def _shifts(ways: list[_Way], jumps: list[_Jump]) -> dict[int, list[tuple[int, int]]]:
    now = dict.fromkeys((way.index for way in ways), 0.0)
    shifts: dict[int, list[tuple[int, int]]] = {}
    for jump in jumps:
        ends = {way.index: _end(way, jump, now) for way in ways if way.index in jump.places}
        shift = max(ends.values())
        for way in ways:
            place = jump.places.get(way.index)
            if place is None:
                place = int(np.searchsorted(way.orders, jump.order))
                if way.steady and place:
                    continue  # it goes on as before
            now[way.index] = shift
            if place < len(way.orders):
                shifts.setdefault(way.index, []).append((place, round(shift / way.unit)))
    return shifts


def _end(way: _Way, jump: _Jump, now: dict[int, float]) -> float:
    """By how much a stream is moved so that it goes on after its last packet."""
    place = jump.places[way.index]
    return float(way.times[place - 1] + now[way.index] + way.step - way.times[place])

"""Ctrl-C and SIGTERM: at any moment, one line and exit code 130 or 143. Imports nothing slow."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# Later signals end the program without waiting for what is being written. One that comes sooner is another copy of the
# first: a terminal sends it to a program, and so does the program that has called this one. In seconds.
_SAME_WITHIN = 1.0


class Stopped(BaseException):
    """The user or the system ends the program. No KeyboardInterrupt: typer would end the program without a word.

    Attributes:
        code: the exit code.
        word: what happened, such as `interrupted`.
    """

    def __init__(self, number: int) -> None:
        self.code = 128 + number
        self.word = "interrupted" if number == signal.SIGINT else "terminated"
        super().__init__(self.word)


STOPS = (KeyboardInterrupt, Stopped)
"""What is raised in the main thread to end the program."""


def exit_code(stop: BaseException) -> int:
    """The exit code of a program that one of `STOPS` ends."""
    return _as_stopped(stop).code


def stopped(stop: BaseException) -> str:
    """What happened, to begin a sentence: `Interrupted` or `Terminated`."""
    return _as_stopped(stop).word.capitalize()


def _as_stopped(stop: BaseException) -> Stopped:
    return stop if isinstance(stop, Stopped) else Stopped(signal.SIGINT)


@contextmanager
def ending_in_one_line() -> Iterator[None]:
    """Let signals raise `Stopped` inside, and end the program with one line if nothing else handles that.

    Raises:
        SystemExit: as raised inside, or with the exit code of the signal.
    """
    listener = _Listener()
    for number in (signal.SIGINT, signal.SIGTERM):
        # A signal that is ignored stays so: the program shall go on in the background.
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(number, listener)
    try:
        yield
    except Stopped as stop:
        listener.is_ending = True
        _write_line(stop)
        sys.exit(stop.code)
    finally:
        listener.is_ending = True


class _Listener:
    """Handles signals.

    Attributes:
        is_ending: whether nothing is left that could handle `Stopped`.
    """

    def __init__(self) -> None:
        self.is_ending = False
        self._stopped_at: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._stopped_at is not None and now - self._stopped_at < _SAME_WITHIN:
            return
        # An import may hide what is raised in it, or raise something else instead. Ending at once is safe: every file
        # is written whole or not at all, and a journal survives it.
        if self.is_ending or self._stopped_at is not None or _is_importing(frame):
            _end_at_once(Stopped(number))
        self._stopped_at = now
        raise Stopped(number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _end_at_once(stop: Stopped) -> NoReturn:
    _write_line(stop)
    os._exit(stop.code)


def _write_line(stop: Stopped) -> None:
    # Without Python's buffers, which the interrupted code may hold; a bar may have hidden the cursor.
    shown_again = "\r\x1b[K\x1b[?25h" if os.isatty(2) else ""
    os.write(2, f"{shown_again}gpen: {stop.word}.\n".encode())

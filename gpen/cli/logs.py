"""The log of a command, in a file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ImageError


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Append the log of the package, including tracebacks of failures, to a file.

    Raises:
        ImageError: the suffix is not .log or .txt (so that no photograph is damaged), or the file is not writable.
    """
    if path is None:
        yield
        return
    if path.suffix.lower() not in (".log", ".txt"):
        raise ImageError(f"The log {path} must have the suffix .log or .txt; choose another --log.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")  # of names that are no UTF-8
    except OSError as error:
        raise ImageError(f"The log {path} cannot be written: {error.strerror or error}.") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    package = logging.getLogger(__name__.rpartition(".gpen.")[0])
    before = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(before)
        package.removeHandler(handler)
        handler.close()

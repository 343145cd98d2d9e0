"""Compiled engines in this user's cache folder: one that is read starts in a third of the time of one that is made."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...weights import places
from ...weights.files import replacing

log = logging.getLogger(__name__)

# An engine of a network of 512 pixels takes 300 MB; those that were used longest ago go first.
_MOST = 6


def kept_file(key: str) -> Path:
    """Where the engine lies, or would, whose key tells all that it depends on."""
    return places.cache_folder() / "engines" / hashlib.sha256(key.encode()).hexdigest()[:32]


def read_kept(path: Path | None, read: Callable[[Path], Any]) -> Any | None:
    """What `read` makes of a file; None where there is none, or one that it cannot read, which is removed."""
    if path is None or not places.is_file(path):
        return None
    try:
        engine = read(path)
        path.touch()
    # A runtime raises what it likes at a file that is damaged or of another build.
    except Exception as error:
        log.info("The engine %s cannot be read and is made anew: %s", path, error)
        try:
            path.unlink()
        except OSError:
            log.info("%s cannot be removed.", path)
        return None
    return engine


def keep(path: Path | None, write: Callable[[Path], object]) -> None:
    """Let `write` write an engine's file in one piece; where that cannot be done, the next start takes longer."""
    if path is None:
        return
    try:
        with replacing(path) as temporary:
            write(temporary)
        files = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[_MOST:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.info("The engine is not kept: %s", error)

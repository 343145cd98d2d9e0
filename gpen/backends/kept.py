"""Cache of compiled engines on disk: reading an engine takes a third of the time of building it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...weights import places
from ...weights.files import replacing

log = logging.getLogger(__name__)

# Size limit of the cache. An engine for 512 pixels takes 300 MB; the least recently used ones are deleted first.
_MOST = 6


def kept_file(key: str) -> Path:
    """Path of the cached engine for a key, which includes everything it depends on."""
    return places.cache_folder() / "engines" / hashlib.sha256(key.encode()).hexdigest()[:32]


def read_kept(path: Path | None, read: Callable[[Path], Any]) -> Any | None:
    """Read a cached engine with `read`; None if there is none or it cannot be read; an unreadable file is deleted."""
    if path is None or not places.is_file(path):
        return None
    try:
        engine = read(path)
        path.touch()
    # A runtime may raise anything for a damaged file or one of another build.
    except Exception as error:
        log.info("The engine %s cannot be read and will be rebuilt: %s", path, error)
        try:
            path.unlink()
        except OSError:
            log.info("%s cannot be removed.", path)
        return None
    return engine


def keep(path: Path | None, write: Callable[[Path], object]) -> None:
    """Write an engine to the cache atomically with `write`; on failure, the next start just takes longer."""
    if path is None:
        return
    try:
        with replacing(path) as temporary:
            write(temporary)
        files = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in files[_MOST:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.info("The engine is not cached: %s", error)

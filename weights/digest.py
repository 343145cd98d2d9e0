"""SHA-256 of files, cached by path, size and modification time."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from . import places
from .errors import WeightsError
from .files import replacing

_FORMAT = 1
_CHUNK = 1 << 20

_lock = threading.Lock()
# Cache of this process; it also works when the cache file cannot be written.
_session: dict[str, dict[str, Any]] = {}


def sha256_of(path: Path, *, fresh: bool = False) -> str:
    """SHA-256 of a file, lower-case hexadecimal.

    Args:
        path: the file.
        fresh: compute the hash again even if it is cached.

    Raises:
        WeightsError: the file cannot be read.
    """
    path = path.absolute()
    try:
        before = path.stat()
        remembered = None if fresh else _recall(path, before)
        if remembered:
            return remembered
        digest = hash_file(path)
        after = path.stat()
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror or error}; check the file and its permissions."
        ) from error
    # If the file changed while it was read, the hash may belong to neither version: return it, but do not cache it.
    if _stamp(before) == _stamp(after):
        _remember(path, after, digest)
    return digest


def memory_file() -> Path:
    """JSON file in which the hashes are cached."""
    return places.cache_folder() / "hashes.json"


def hash_file(path: Path) -> str:
    """SHA-256 of a file, computed now and not cached; raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _stamp(status: os.stat_result) -> dict[str, int]:
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _recall(path: Path, status: os.stat_result) -> str | None:
    with _lock:
        entry = _session.get(str(path)) or _read_memory().get(str(path))
    if not isinstance(entry, dict):
        return None
    digest = entry.get("sha256")
    same = all(entry.get(key) == value for key, value in _stamp(status).items())
    return digest if same and isinstance(digest, str) else None


def _remember(path: Path, status: os.stat_result, digest: str) -> None:
    with _lock:
        _session[str(path)] = {**_stamp(status), "sha256": digest}
        known = {**_read_memory(), **_session}
        _write_memory({name: entry for name, entry in known.items() if places.is_file(Path(name))})


def _read_memory() -> dict[str, Any]:
    """Entries of the cache file; empty if it is missing, damaged or of another format."""
    try:
        content = json.loads(memory_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return {}
    files = content.get("files")
    return files if isinstance(files, dict) else {}


def _write_memory(files: dict[str, Any]) -> None:
    target = memory_file()
    try:
        with replacing(target) as temporary:
            temporary.write_text(json.dumps({"format": _FORMAT, "files": files}, indent=1), encoding="utf-8")
    except OSError:
        return  # without the cache file, the next process only has to read the files once more

"""Write reports atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ImageError
from ..files import write_whole


def open_report(path: Path | None) -> None:
    """Check before the work that a report can be written.

    Raises:
        ImageError: its suffix is not .json (so that no photograph is replaced), or its folder is not writable.
    """
    require_json(path)
    if path is not None and not path.exists():
        write_json(path, {"pictures": []})


def require_json(path: Path | None) -> None:
    """Check the name of a report.

    Raises:
        ImageError: its suffix is not .json, so that no photograph is replaced.
    """
    if path is not None and path.suffix.lower() != ".json":
        raise ImageError(f"The report {path} must have the suffix .json; choose another --report.")


def write_json(path: Path, body: Any) -> None:
    """Write JSON atomically: a reader sees the old file or the new one.

    Raises:
        ImageError: the folder cannot be written to.
    """
    write_text(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text atomically, creating missing folders.

    Raises:
        ImageError: the folder cannot be written to.
    """
    # Names of files need not be UTF-8; in JSON, `\\udce9` is such a byte.
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8", errors="backslashreplace"))

"""Write reports and sheets atomically."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from ...weights.files import replacing
from ..errors import ImageError


def open_report(path: Path | None) -> None:
    """Check before the work that a report can be written.

    Raises:
        ImageError: its suffix is not .json (so that no photograph is replaced), or its folder is not writable.
    """
    if path is None:
        return
    if path.suffix.lower() != ".json":
        raise ImageError(f"The report {path} must have the suffix .json; choose another --report.")
    if not path.exists():
        write_json(path, {"pictures": []})


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
    _write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def save_png(image: Image.Image, path: Path) -> None:
    """Write a sheet or a crop as PNG atomically, creating missing folders.

    Raises:
        ImageError: the folder cannot be written to.
    """
    _write_whole(path, lambda temporary: image.save(temporary, "PNG"))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    try:
        with replacing(path) as temporary:
            write(temporary)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from None

"""Files of named arrays: whole or not at all, and read without running anything in them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...errors import ImageError
from ...files import write_whole


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a `.npz` file, whole or not at all.

    Raises:
        ImageError: the folder cannot be written to.
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **dict(arrays))  # pyright: ignore[reportArgumentType]

    write_whole(path, write)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read a file of `save_arrays`.

    Raises:
        ImageError: it cannot be read, or is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ImageError(f"{path} cannot be read ({error}); remove it.") from None

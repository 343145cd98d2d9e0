"""Files with the areas that may change in pictures. Needs no torch until one is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ImageError, NoPictureError
from ..images import READABLE
from ..types import Size
from ..wording import count
from .entries import stamp_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class AreaFiles:
    """Masks in files: each a picture for all pictures, or a folder with a mask for each picture, of its name.

    Attributes:
        only_here, not_here: as for `area_of`; None: there is none.
    """

    only_here: Path | None = None
    not_here: Path | None = None

    def __bool__(self) -> bool:
        return self.only_here is not None or self.not_here is not None

    @property
    def given(self) -> Mapping[str, Path]:
        """Those that are given."""
        both = {"only_here": self.only_here, "not_here": self.not_here}
        return {name: path for name, path in both.items() if path is not None}

    def require(self) -> None:
        """Check that the files are there.

        Raises:
            NoPictureError: one is not.
        """
        for name, path in self.given.items():
            if not path.exists():
                raise NoPictureError(f"There is no {path}, the mask {name}.")

    def digests(self) -> dict[str, str]:
        """What tells whether they are still the same: of each a digest of the names, sizes and times of its files."""
        told = {}
        for name, path in self.given.items():
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            stamps = [(file.name, stamp.size, stamp.mtime_ns) for file in files if (stamp := stamp_of(file))]
            told[name] = hashlib.sha256(repr(stamps).encode()).hexdigest()
        return told

    def of(self, source: Path, size: Size) -> torch.Tensor | None:
        """The area of a picture; arguments and errors as for `area_of` and `mask_of`.

        Raises:
            ImageError: also if a folder has no mask for the picture, or several.
        """
        from ..images import area_of, mask_of

        masks = {name: mask_of(_mask_file(path, source)) for name, path in self.given.items()}
        return area_of(masks.get("only_here"), masks.get("not_here"), size)


def _mask_file(path: Path, source: Path) -> Path:
    if not path.is_dir():
        return path
    found = [
        entry for entry in sorted(path.iterdir()) if entry.stem == source.stem and entry.suffix.lower() in READABLE
    ]
    if len(found) != 1:
        told = count(len(found), "mask") if found else "no mask"
        raise ImageError(f"{path} has {told} for {source.name}; it needs one such as {source.stem}.png.")
    return found[0]

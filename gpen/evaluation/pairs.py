"""Inputs of an evaluation: pairs of pictures in two folders, faces to degrade, or degraded pictures only.

Pictures are read one at a time, and again when shown, so that thousands of them do not need memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ...weights.digest import sha256_of
from ..degradation.degrade import LIGHT, degrade
from ..degradation.faces import HELD_OUT, read_faces
from ..errors import ImageError, SettingsError
from ..images import READABLE, from_array, read_picture
from ..images.samples import integer_array
from ..pixels.resize import resize
from .metrics import SSIM_SIDE

REDUCED = replace(LIGHT, gray=0.0)
"""Damage of reduced faces: that of a good camera, in their colours, since the reduction takes most."""


def reduce_face(truth: torch.Tensor, factor: int) -> np.ndarray:
    """A square picture, 1 x 3 x S x S in 0..1, reduced by a factor: H x W x 3 uint8, as `degrade` takes it."""
    side = round(truth.shape[-1] / factor)
    return integer_array(resize(truth, (side, side)).clamp(0, 1), np.dtype(np.uint8))


@dataclass(frozen=True, eq=False)
class Pair:
    """A picture to restore and its original.

    Attributes:
        name: name in reports.
        degraded: 1 x 3 x S x S in 0..1.
        truth: 1 x 3 x T x T in 0..1, or None if unknown.
        facts: JSON-serialisable: files with their SHA-256, or the steps of the degradation.
    """

    name: str
    degraded: torch.Tensor
    truth: torch.Tensor | None
    facts: dict[str, Any] = field(default_factory=dict)


class Pairs(Protocol):
    """Pairs that are loaded on request; the same index gives the same pair.

    Attributes:
        facts: JSON-serialisable description of their source.
        template: landmark template of the crops; None if unknown.
        skipped: skipped files, `{"file", "reason"}` each.
    """

    facts: dict[str, Any]
    skipped: list[dict[str, str]]

    def __len__(self) -> int: ...

    @property
    def template(self) -> str | None: ...

    def name(self, index: int) -> str:
        """Name of a pair; does not read it."""
        ...

    def load(self, index: int) -> Pair:
        """Read a pair.

        Raises:
            ImageError: a file cannot be read, or is not a square crop.
        """
        ...


class FolderPairs:
    """Aligned crops in one folder and their originals, with the same stems, in another.

    Args:
        degraded: folder of crops to restore.
        truth: folder of original crops; None if unknown.
        limit: maximum number of pairs, in the order of their names.

    Raises:
        SettingsError: a folder does not exist or holds no pictures, or no name is in both folders.
    """

    template = None

    def __init__(self, degraded: Path, truth: Path | None = None, limit: int | None = None) -> None:
        self.skipped: list[dict[str, str]] = []
        inputs = self._pictures(degraded)
        truths = self._pictures(truth) if truth else {}
        if truth:
            self._pass_over(inputs, truths, f"there is no file of this name in {truth}")
            self._pass_over(truths, inputs, f"there is no file of this name in {degraded}")
        self._files = [
            (stem, file, truths.get(stem)) for stem, file in sorted(inputs.items()) if not truth or stem in truths
        ][:limit]
        if not self._files:
            raise SettingsError(
                f"No picture of {degraded} has the name of one in {truth}: {next(iter(inputs.values())).name} stands "
                f"beside {next(iter(truths.values())).name}; pairs bear the same name, their suffixes may differ."
            )
        self.facts = {"kind": "pairs" if truth else "unpaired", "degraded": str(degraded)}
        if truth:
            self.facts["truth"] = str(truth)

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Common stem of both files."""
        return self._files[index][0]

    def load(self, index: int) -> Pair:
        """Read both files; see `Pairs`."""
        name, degraded, truth = self._files[index]
        files = {role: path for role, path in (("degraded", degraded), ("truth", truth)) if path}
        pixels = {role: _read_crop(path) for role, path in files.items()}
        facts = {role: {"file": str(path), "sha256": sha256_of(path)} for role, path in files.items()}
        return Pair(name, pixels["degraded"], pixels.get("truth"), facts)

    def _pictures(self, folder: Path) -> dict[str, Path]:
        """The pictures of a folder by their stems, each stem once."""
        if not folder.is_dir():
            raise SettingsError(f"{folder} is not a folder; give a folder of aligned face crops.")
        found: dict[str, Path] = {}
        for path in sorted(file for file in folder.iterdir() if file.suffix.lower() in READABLE and file.is_file()):
            if path.stem in found:
                self._skip(path, f"{found[path.stem].name} has the same name")
            else:
                found[path.stem] = path
        if not found:
            raise SettingsError(f"{folder} holds no pictures; pictures end in {', '.join(sorted(READABLE))}.")
        return found

    def _pass_over(self, files: dict[str, Path], others: dict[str, Path], reason: str) -> None:
        for stem in sorted(files.keys() - others.keys()):
            self._skip(files[stem], reason)

    def _skip(self, path: Path, reason: str) -> None:
        self.skipped.append({"file": str(path), "reason": reason})


class DegradedFaces:
    """Good faces and their versions degraded with this project's pipeline.

    Args:
        path: folder of pictures, parquet file or folder of the `datasets` library.
        held_out: use only the fixed tenth that is never used for training.
        limit: maximum number of faces.
        seed: random seed of the degradation.
        index: number of the degraded version of each face.
        size: side to which faces are resized.
        reduced: factor by which they are reduced and then damaged lightly, by a good camera, so that methods must
            enlarge them; 1: they keep their size, and have all kinds of damage.

    Raises:
        SettingsError: there are no faces, or one cannot be read, or a reduced one would be too small to compare.
    """

    template = "ffhq"

    def __init__(
        self,
        path: Path,
        *,
        held_out: bool = False,
        limit: int | None = None,
        seed: int = 0,
        index: int = 0,
        size: int = 256,
        reduced: int = 1,
    ) -> None:
        if size // reduced < SSIM_SIDE:
            raise SettingsError(f"Faces of {size} pixels cannot be reduced by {reduced}: {SSIM_SIDE} must be left.")
        step = HELD_OUT if held_out else 1
        self._faces = read_faces(path, limit, size, step)
        self._step, self._seed, self._index, self._reduced = step, seed, index, reduced
        self.skipped: list[dict[str, str]] = []
        self.facts = {
            "kind": "degraded faces",
            "faces": str(path),
            **({"sha256": sha256_of(path)} if path.is_file() else {}),
            "pixels_sha256": hashlib.sha256(self._faces.tobytes()).hexdigest(),
            "held_out": held_out,
            "limit": limit,
            "seed": seed,
            "index": index,
            "size": size,
            **({"reduced": reduced} if reduced > 1 else {}),
        }

    def __len__(self) -> int:
        return len(self._faces)

    def name(self, index: int) -> str:
        """The number of the face in its file or folder."""
        return f"face {index * self._step}"

    def load(self, index: int) -> Pair:
        """Degrade one face. The original has no colour if the damage left none; see `degradation.Pair`."""
        face = self._faces[index]
        if self._reduced > 1:
            truth = from_array(face)
            small = reduce_face(truth, self._reduced)
            made = degrade(small, self._index, self._seed, REDUCED)
            steps = [f"reduced to {len(small)} pixels", *made.steps]
            return Pair(self.name(index), from_array(made.degraded), truth, {"steps": steps})
        made = degrade(face, self._index, self._seed)
        return Pair(self.name(index), from_array(made.degraded), from_array(made.truth), {"steps": list(made.steps)})


def _read_crop(path: Path) -> torch.Tensor:
    pixels = read_picture(path).pixels
    height, width = pixels.shape[-2:]
    if height != width:
        raise ImageError(f"{path} is {width} x {height}, but aligned crops must be square; cut it with gpen restore.")
    if height < SSIM_SIDE:
        raise ImageError(f"{path} is {width} x {height}; crops below {SSIM_SIDE} x {SSIM_SIDE} cannot be compared.")
    return pixels

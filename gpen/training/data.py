"""Faces to learn from, and the order in which pairs are learnt.

Faces come from a folder of pictures, a parquet file, or a folder that the `datasets` library wrote; the last two
hold pictures in a column `image`, as bytes or as a struct of `bytes` and `path`. Which pair comes at which step
follows from the seed alone: a run that was stopped at step n goes on with what it would have seen at step n.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from ..errors import SettingsError
from .degradation import Degradation, degrade, generator_of

log = logging.getLogger(__name__)

HELD_OUT = 10  # every tenth face is never taught with

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
# How far an aligned crop strays from its template: a detector's landmarks err by a few hundredths of the eye distance.
_TURN = 4.0  # degrees, standard deviation a third of it
_SCALE = 0.08
_SHIFT = 0.02  # of the side
# Exposure and development of every second photograph: a network that has seen only well-lit ones pulls all others
# towards them, and a dark print comes out grey.
_GAMMA = 0.4  # of its logarithm
_CONTRAST = 0.3
_CAST = 0.08


def read_faces(path: Path, limit: int | None = None, size: int = 256, every: int = 1) -> np.ndarray:
    """The (first `limit`) faces of a folder, a parquet file or a `datasets` folder, in the order of names or rows.

    Args:
        path: where they are.
        limit: how many; None for all.
        size: side S they are brought to.
        every: take only every so many-th; `HELD_OUT` gives those that are only measured on.

    Returns:
        N x S x S x 3 uint8 RGB.

    Raises:
        SettingsError: nothing there, no such column, a picture that cannot be read or is not square; or pyarrow is
            needed and not installed.
    """
    sources = _sources(path)[::every][:limit]
    if not sources:
        raise SettingsError(
            f"{path} holds no pictures; give a folder of pictures or a parquet file with a column image."
        )
    faces = np.empty((len(sources), size, size, 3), np.uint8)
    enlarged = 0
    for face, (name, source) in zip(faces, sources, strict=True):
        face[:], side = _decode(name, source, size)
        enlarged += side < size
    if enlarged:
        log.warning("%d of %d pictures are smaller than %d pixels and were enlarged", enlarged, len(sources), size)
    return faces


def group_weights(path: Path, limit: int | None = None) -> np.ndarray:
    """How often each face is to be shown so that every group of people is seen as often as every other.

    Args:
        path: as for `read_faces`; without a column `group` all faces count alike.
        limit: how many; None for all.

    Returns:
        N float64, mean 1.
    """
    groups = ["" for _ in _sources(path)]
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        if "group" in parquet.read_schema(path).names:
            groups = parquet.read_table(path, columns=["group"])["group"].to_pylist()
    _, which, counts = np.unique(np.array(groups[:limit], str), return_inverse=True, return_counts=True)
    weights = 1 / counts[which]
    return weights / weights.mean()


def to_images(pictures: np.ndarray | torch.Tensor) -> torch.Tensor:
    """N x S x S x 3 uint8 as N x 3 x S x S float32 in 0..1, on the device they are on."""
    return torch.as_tensor(pictures).permute(0, 3, 1, 2).float() / 255


def split(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Faces to teach with and the fixed tenth that is only measured on."""
    held = np.arange(len(faces)) % HELD_OUT == 0
    return faces[~held], faces[held]


def training_pair(
    face: np.ndarray, index: int, seed: int, degradation: Degradation, *, mirror: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A pair as the network sees it: the face moved as detectors err, lit otherwise, perhaps mirrored, then degraded.

    Args:
        face: S x S x 3 uint8.
        index: which partner of the face.
        seed: of all chance.
        degradation: how hard.
        mirror: left for right.

    Returns:
        Degraded and true picture, S x S x 3 uint8.
    """
    rng = generator_of(face, index, seed)
    side = len(face)
    turn = rng.normal(0, _TURN / 3)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), turn, np.exp(rng.uniform(-_SCALE, _SCALE)))
    matrix[:, 2] += rng.uniform(-_SHIFT, _SHIFT, 2) * side
    moved = cv2.warpAffine(face, matrix, (side, side), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        moved = _develop(moved, rng)
    pair = degrade(np.ascontiguousarray(moved[:, ::-1]) if mirror else moved, index, seed, degradation)
    return pair.degraded, pair.truth


def _develop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with another gamma, contrast and cast: one curve for each colour."""
    gamma = np.exp(rng.uniform(-_GAMMA, _GAMMA))
    contrast = 1 + rng.uniform(-_CONTRAST, _CONTRAST)
    levels = np.linspace(0, 1, 256) ** gamma
    curve = 0.5 + (levels - 0.5) * contrast
    curves = curve[:, None] * (1 + rng.uniform(-_CAST, _CAST, 3))
    curves = (curves.clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack([curves[picture[..., colour], colour] for colour in range(3)], axis=2)


class PairOrder:
    """Which pairs make which batch.

    All faces are seen once with one partner each, in an order drawn for that round, then once with the next.

    Args:
        faces: how many there are.
        partners: of each face; after the last round of partners the first comes again, mirrored where it was not.
        batch: faces a step.
        seed: of the orders.
    """

    def __init__(self, faces: int, partners: int, batch: int, seed: int) -> None:
        self.faces = faces
        self.partners = partners
        self.batch = batch
        self.seed = seed

    def at(self, step: int) -> list[tuple[int, int, bool]]:
        """Face, partner and whether mirrored, of each place in the batch of a step; any step, at once."""
        found = []
        orders: dict[int, np.ndarray] = {}
        for position in range(step * self.batch, (step + 1) * self.batch):
            round_, place = divmod(position, self.faces)
            if round_ not in orders:
                orders[round_] = np.random.default_rng((self.seed, round_)).permutation(self.faces)
            face = int(orders[round_][place])
            cycle, turn = divmod(round_, self.partners)
            partner = (face + turn) % self.partners  # a round mixes all partners
            found.append((face, partner, (face + partner + cycle) % 2 == 1))
        return found


class Batches(torch.utils.data.IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """The batches of a run from one step on, for one process of several.

    Gives degraded and true pictures, B x S x S x 3 uint8. Worker processes of a loader each make every n-th batch.

    Args:
        faces: N x S x S x 3 uint8.
        order: of the whole batch; process `rank` of `world` takes every `world`-th place of it.
        degradation: how hard.
        start, stop: steps; stop is not among them.
        rank, world: of this process.
    """

    def __init__(
        self,
        faces: np.ndarray,
        order: PairOrder,
        degradation: Degradation,
        start: int,
        stop: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.faces = faces
        self.order = order
        self.degradation = degradation
        self.steps = range(start, stop)
        self.rank = rank
        self.world = world

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in self.steps[first::every]:
            places = self.order.at(step)[self.rank :: self.world]
            pairs = [
                training_pair(self.faces[face], partner, self.order.seed, self.degradation, mirror=mirror)
                for face, partner, mirror in places
            ]
            degraded, truth = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
            yield degraded, truth


def _sources(path: Path) -> list[tuple[str, Any]]:
    """Name and file or bytes of each picture."""
    if path.suffix == ".parquet":
        return _column(path, [path])
    if not path.is_dir():
        raise SettingsError(f"{path} is neither a folder nor a parquet file; give one of them.")
    pictures = sorted(file for file in path.rglob("*") if file.suffix.lower() in _PICTURES)
    if pictures:
        return [(str(file), file) for file in pictures]
    return _column(path, sorted([*path.rglob("*.parquet"), *path.rglob("*.arrow")]))


def _column(path: Path, files: list[Path]) -> list[tuple[str, Any]]:
    """The rows of the column `image` in tables."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise SettingsError("Reading tables of faces needs pyarrow: install gpen-blocks[training].") from error
    found = []
    for file in files:
        try:
            if file.suffix == ".parquet":
                table = parquet.read_table(file)
            else:
                with arrow.memory_map(str(file)) as source:
                    table = arrow.ipc.open_stream(source).read_all()
        except (OSError, arrow.ArrowInvalid) as error:
            raise SettingsError(f"{file} cannot be read as a table of faces: {error}") from error
        if "image" not in table.column_names:
            raise SettingsError(f"{file} has no column image, only {', '.join(table.column_names)}.")
        for number, row in enumerate(table["image"].to_pylist()):
            picture = row.get("bytes") if isinstance(row, dict) else row
            if not isinstance(picture, bytes):  # a path would be one of this machine, named by a stranger's file
                raise SettingsError(f"{file}, row {number} holds no picture as bytes; store the pictures in the table.")
            found.append((f"{file}, row {number}", picture))
    return found


def _decode(name: str, source: Any, size: int) -> tuple[np.ndarray, int]:
    """A picture brought to a side, and the side it had."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            picture = file.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise SettingsError(f"{name} cannot be read as a picture ({error}); take it out or replace it.") from error
    if picture.width != picture.height:
        raise SettingsError(
            f"{name} is {picture.width} x {picture.height}; faces to teach with are square aligned crops, "
            "as FFHQ has them."
        )
    side = picture.width
    if side != size:
        picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture), side

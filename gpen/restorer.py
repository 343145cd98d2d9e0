"""The chain on photographs as users have them: files, arrays and PIL images."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from .backends import Backend, Network, Precision, expect
from .devices import select_device
from .errors import SettingsError
from .faces.detection import FaceDetector
from .images import Picture, from_array, read_picture, to_array, write_picture
from .models import LoadedModel
from .pipeline import restore_batch
from .presets import Preset, load_preset
from .progress import Progress, silent
from .report import batch_report
from .restore import restore_crops
from .settings import Settings
from .stages import load_networks
from .tasks import TASKS
from .types import Alignment, Faces
from .wording import count


@dataclass(frozen=True, eq=False, repr=False)
class Restoration:
    """One restored picture.

    Attributes:
        faces: the faces worked on; the report tells for each whether it was restored, how much changed, or why nothing.
        alignment: where each crop came from, in the order of `faces`.
        before: N x 3 x S x S in 0..1, the aligned crops.
        after: N x 3 x S x S in 0..1, the same crops restored.
        mask: 1 x 1 x H x W in 0..1, where the picture was changed.
        report: what was found and done, ready for JSON: sizes and boxes in pixels, times in seconds.
        original: 1 x 3 x H x W in 0..1, the picture as it came in.
        restored: 1 x 3 x H x W in 0..1, the result; the same tensor as `original` where nothing was changed.
        picture: the result with its file's metadata, where a path or `Picture` came in.
        source: what came in.
    """

    faces: Faces
    alignment: tuple[Alignment, ...]
    before: torch.Tensor
    after: torch.Tensor
    mask: torch.Tensor
    report: dict[str, Any]
    original: torch.Tensor
    restored: torch.Tensor
    picture: Picture | None
    source: Any

    @cached_property
    def image(self) -> Any:
        """The result, of the same kind as what came in; for a path or `Picture` an H x W x 3 array of the file's bit
        depth.
        """
        return self.picture.to_array() if self.picture else to_array(self.restored, like=self.source)

    def __repr__(self) -> str:
        height, width = self.original.shape[-2:]
        return f"Restoration({count(len(self.faces), 'face')} in {width} x {height} pixels)"

    def save(self, path: str | Path) -> tuple[str, ...]:
        """Write the result; for a path that came in, with the depth, alpha and metadata of its file.

        Returns:
            A sentence for each thing the format of `path` could not hold.

        Raises:
            ImageError: the folder cannot be written to, or the suffix names no known format.
        """
        return write_picture(self.picture or Picture(from_array(self.image)), path)


class Restorer:
    """Restores the faces of photographs; models are built once and shared.

    Args:
        model: a registry name, a path, or `auto`: the best generator on this machine.
        detector: a registry name, a path, or `auto`: the best detector on this machine.
        preset: a bundled preset's name, the path of a preset file, a `Preset`, or None for the defaults.
        device: `auto`, or a torch device such as `cuda:1`.
        backend, precision: of the generator, see `models.load_generator`.
        **settings: fields of `Settings` that take precedence over the preset's.

    Raises:
        ModelNotFoundError: a model is not on this machine (nothing is downloaded here).
        SettingsError: a preset, a setting or the device does not exist.
    """

    def __init__(
        self,
        model: str = "auto",
        detector: str = "auto",
        preset: str | Path | Preset | None = None,
        device: str = "auto",
        backend: Backend = "auto",
        precision: Precision = "fp32",
        **settings: Any,
    ) -> None:
        loaded = preset if isinstance(preset, Preset) else load_preset(preset) if preset else Preset("default")
        self.preset = loaded.name
        self.settings = change_settings(loaded.settings, settings)
        self.device = select_device(device)
        self.networks = load_networks(
            model, detector, settings=self.settings, device=self.device, backend=backend, precision=precision
        )

    @property
    def generator(self) -> LoadedModel[Network]:
        """The model that restores."""
        return self.networks.generator

    @property
    def detector(self) -> LoadedModel[FaceDetector]:
        """The model that finds faces."""
        return self.networks.detector

    def restore(
        self,
        image: Any,
        *,
        indices: str = "",
        batch_size: int = 0,
        pictures_left: int = 0,
        progress: Progress = silent,
    ) -> Restoration:
        """Restore the faces of one picture.

        Args:
            image: H x W x 3 (or H x W, or H x W x 4) array, uint8, uint16 or float in 0..1, RGB; a PIL image; the
                path of a picture, or a `Picture` that was read from one.
            indices: which of the ordered faces, such as `0,2-4`; empty for all.
            batch_size: faces per forward pass; 0 takes as many as memory allows.
            pictures_left: how many will follow; the backend `auto` starts a faster one where there are enough.
            progress: called as work goes on; what it raises ends the work.

        Raises:
            ImageError: the file cannot be read as a picture, or the array has another shape, type or range.
        """
        start = time.perf_counter()
        source = read_picture(image) if isinstance(image, str | Path) else image if isinstance(image, Picture) else None
        pixels = source.pixels if source else from_array(image)
        read_seconds = time.perf_counter() - start
        expect(self.generator.module, pictures_left=pictures_left)
        batch = restore_batch(
            pixels,
            self.networks,
            self.settings,
            indices=indices,
            batch_size=batch_size,
            jpeg_tables=[source.info.jpeg_tables] if source else None,
            progress=progress,
        )
        picture = source.with_pixels(batch.images) if source else None
        report = batch_report(batch, self.networks, Preset(self.preset, settings=self.settings))
        report["seconds"] = {"read": round(read_seconds, 4), **report["seconds"]}
        report["notes"] = [*(source.notes if source else ()), *report["notes"]]
        return Restoration(
            faces=batch.faces,
            alignment=batch.alignments,
            before=batch.before,
            after=batch.after,
            mask=batch.mask,
            report={"device": str(self.device), **report},
            original=pixels,
            restored=batch.images,
            picture=picture,
            source=image,
        )

    def restore_crops(self, crops: torch.Tensor, *, batch_size: int = 0) -> torch.Tensor:
        """Restore crops that are aligned already.

        Args:
            crops: B x 3 x S x S in 0..1, aligned to the template of the model (`generator.template`).
            batch_size: faces per forward pass; 0 takes as many as memory allows.

        Returns:
            B x 3 x S x S in 0..1 with the model's size S.
        """
        return restore_crops(
            self.generator.module,
            crops,
            task=TASKS[self.generator.task],
            strength=self.settings.strength,
            keep_grayscale=self.settings.keep_grayscale,
            colour=self.settings.colour,
            batch_size=batch_size,
            place=self.networks.place,
        )


def change_settings(settings: Settings, changes: dict[str, Any]) -> Settings:
    """`settings` with some fields changed.

    Raises:
        SettingsError: a field does not exist, or its value is of the wrong type or out of range.
    """
    known = {entry.name for entry in fields(Settings)}
    for name in changes:
        if name not in known:
            raise SettingsError(f"There is no setting {name!r}; there are {', '.join(sorted(known))}.")
    return replace(settings, **changes)

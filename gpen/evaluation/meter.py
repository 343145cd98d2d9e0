"""Measure a batch of results, with one row of numbers per picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..detail.spectrum.analysis import BAND_NAMES, Spectrum, analyze
from ..faces.detection.detect import detect
from ..faces.detection.detector import FaceDetector
from ..faces.landmarks.find import Landmarker, find_landmarks68
from ..models import LoadedModel
from ..types import Face, Faces
from . import metrics
from .perceptual import PerceptualMeasures

Row = dict[str, Any]
"""Numbers of one picture by the keys of `report.MEASURES`; None for missing values."""

# Minimum size of faces as a share of the crop's side (they fill aligned crops), and a low threshold for damaged ones.
_LEAST_FACE = 0.25
_FACE_THRESHOLD = 0.5


class FaceFinder:
    """Finds the face in an aligned crop, with 68 landmarks if their network is available."""

    def __init__(self, detector: LoadedModel[FaceDetector], landmarker: LoadedModel[Landmarker] | None) -> None:
        self._detector = detector
        self._landmarker = landmarker

    @property
    def facts(self) -> dict[str, Any]:
        """Name and SHA-256 of both networks, JSON-serialisable."""
        networks = {"detector": self._detector, "landmarks": self._landmarker}
        return {kind: {"name": one.name, "sha256": one.sha256} for kind, one in networks.items() if one}

    def __call__(self, crops: torch.Tensor) -> list[Face | None]:
        """The largest face of each of B x 3 x S x S in 0..1, or None."""
        least = _LEAST_FACE * min(crops.shape[-2:])
        found = detect(crops, self._detector.module, score_threshold=_FACE_THRESHOLD, min_face_size=least)
        largest = [max(found.of_image(index), key=lambda face: face.size, default=None) for index in range(len(crops))]
        chosen = Faces(tuple(face for face in largest if face), found.sizes)
        if self._landmarker is not None and len(chosen):
            chosen = find_landmarks68(self._landmarker.module, crops, chosen)
        by_image = {face.image_index: face for face in chosen}
        return [by_image.get(index) for index in range(len(crops))]


@dataclass(frozen=True, eq=False)
class Seen:
    """A batch of pictures with the data needed for comparisons.

    Attributes:
        images: B x 3 x S x S in 0..1.
        spectrum: spectrum of each picture.
        faces: face in each picture.
        likeness: B x 512 unit vectors; None if identity is not measured.
        features: B x 2048 for FID; None if not measured.
    """

    images: torch.Tensor
    spectrum: Spectrum
    faces: list[Face | None]
    likeness: torch.Tensor | None
    features: torch.Tensor | None


@dataclass
class Meter:
    """The set of measures.

    Attributes:
        find_faces: used for the landmark distance.
        perceptual: the measures that need other packages or files.
        device: device of the recogniser.
        remarks: sentences about substitutes for better measures.
        small: number of results so far that were too small for MS-SSIM.
    """

    find_faces: FaceFinder
    perceptual: PerceptualMeasures = field(default_factory=PerceptualMeasures)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    remarks: tuple[str, ...] = ()
    small: int = field(default=0, init=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each missing measure."""
        notes = (*self.remarks, *self.perceptual.missing)
        if not self.small:
            return notes
        return (*notes, f"MS-SSIM is not measured on {self.small} results with sides below {metrics.MS_SSIM_SIDE}.")

    def look_at(self, images: torch.Tensor) -> Seen:
        """Prepare pictures B x 3 x S x S in 0..1 for comparisons."""
        measures = self.perceptual
        likeness = None
        if measures.recogniser is not None:
            with torch.inference_mode():
                likeness = measures.recogniser(images.to(self.device)).cpu()
        return Seen(
            images,
            analyze(images),
            self.find_faces(images),
            likeness,
            measures.inception(images) if measures.inception else None,
        )

    def describe(self, seen: Seen) -> list[Row]:
        """Measure pictures without originals."""
        columns: dict[str, Sequence[Any]] = {
            "effective_resolution": seen.spectrum.effective_resolution.tolist(),
            "high_frequency_share": seen.spectrum.high_frequency_ratio.tolist(),
        }
        return _rows(columns)

    def compare(self, seen: Seen, truth: Seen) -> list[Row]:
        """Measure pictures compared with their originals of the same size."""
        images, true = seen.images, truth.images
        detail = metrics.compare_detail(images, true)
        distance, bands = metrics.spectral_distance(seen.spectrum, truth.spectrum)
        columns: dict[str, Sequence[Any]] = {
            "psnr": metrics.psnr(images, true).tolist(),
            "detail_power": detail.power.tolist(),
            "truth_detail_power": detail.truth_power.tolist(),
            "high_frequency_ratio": detail.ratio.tolist(),
            "detail_correlation_16_8": detail.correlation[:, 0].tolist(),
            "detail_correlation_8_4": detail.correlation[:, 1].tolist(),
            "spectral_distance": distance.tolist(),
            "spectral_distance_bands": [dict(zip(BAND_NAMES, row, strict=True)) for row in bands.tolist()],
            "landmark_distance": [
                metrics.landmark_distance(face, expected) if face and expected else None
                for face, expected in zip(seen.faces, truth.faces, strict=True)
            ],
            "face_lost": [
                expected is not None and face is None for face, expected in zip(seen.faces, truth.faces, strict=True)
            ],
        }
        if self.perceptual.similarity:
            columns["ssim"] = metrics.ssim(images, true).tolist()
            if min(true.shape[-2:]) >= metrics.MS_SSIM_SIDE:
                columns["ms_ssim"] = metrics.ms_ssim(images, true).tolist()
            else:
                self.small += len(images)
        if self.perceptual.lpips:
            columns["lpips"] = self.perceptual.lpips(images, true)
        if seen.likeness is not None and truth.likeness is not None:
            columns["identity"] = (seen.likeness * truth.likeness).sum(dim=1).tolist()
        return [{**row, **own} for row, own in zip(_rows(columns), self.describe(seen), strict=True)]


def _rows(columns: dict[str, Sequence[Any]]) -> list[Row]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

"""Per-face records of the chain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..detail.softening import Softening
from ..detail.spectrum.crossover import Crossover
from ..faces.change import Change
from ..faces.paste import FineNoise
from ..faces.place import Cover
from ..pixels.tone import Tone
from ..types import Alignment, Face


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was measured of a face and its restored crop, and decides how the two are combined.

    Attributes:
        crossover: for frequency blending.
        tone: whether the face is in colour.
        left_alone: why the face stays unchanged; None if it is restored.
        fine_noise: the noise finer than the crop; None: measured when the face is pasted.
        softening: how sharp it is beside its surroundings, in pixels of the crop; None if the settings do not ask for
            it.
    """

    crossover: Crossover
    tone: Tone
    left_alone: str | None = None
    fine_noise: FineNoise | None = None
    softening: Softening | None = None


@dataclass(frozen=True, eq=False)
class FaceRecord:
    """One face in the chain; each stage adds its results. Further data per face belongs here.

    Attributes:
        alignment: alignment of its crop, including the face itself.
        tone: whether the face was judged to be in colour.
        left_alone: why the face stays unchanged; None if it was restored.
        change: how its pixels changed; None before pasting, or if no pixel of the picture belongs to it.
        noise: standard deviation of the noise in and around it, before and after, in units of 0..1; None before
            pasting, or if there is no noise.
        cover: where it was pasted, on the CPU; None before pasting, or if it was not pasted.
        share: share of the settings' strength, 0..1, with which it is pasted.
        fine_noise: the noise finer than the crop, if it is known before pasting.
        softening: how sharp it is beside its surroundings, in pixels of the crop; None if the settings do not ask for
            it.
    """

    alignment: Alignment
    tone: Tone
    left_alone: str | None = None
    change: Change | None = None
    noise: tuple[float, float] | None = None
    cover: Cover | None = None
    share: float = 1.0
    fine_noise: FineNoise | None = None
    softening: Softening | None = None

    @property
    def face(self) -> Face:
        """The face, in pixels of its image."""
        return self.alignment.face


@dataclass(frozen=True, eq=False)
class RestoredFaces:
    """Faces restored by the network and not yet pasted.

    Attributes:
        before: N x 3 x S x S in 0..1, the aligned crops.
        after: N x 3 x S x S in 0..1, the same crops restored.
        records: the record of each face.
    """

    before: torch.Tensor
    after: torch.Tensor
    records: tuple[FaceRecord, ...]

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """The alignment of each crop."""
        return tuple(record.alignment for record in self.records)

    def in_enlarged(self, factor: int) -> RestoredFaces:
        """The same crops, with alignments to their images enlarged by a whole factor."""
        records = (replace(record, alignment=record.alignment.resized(factor)) for record in self.records)
        return replace(self, records=tuple(records))

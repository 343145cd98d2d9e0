"""What the chain knows of each face it works on."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..faces.change import Change
from ..pixels.tone import Tone
from ..types import Alignment, Face


@dataclass(frozen=True, eq=False)
class FaceRecord:
    """One face on its way through the chain; each stage adds what it found out. What is to be known of a face besides,
    belongs here.

    Attributes:
        alignment: where its crop came from, and the face itself.
        tone: whether it was judged to be in colour.
        left_alone: why it stays as it was; None where it was restored.
        change: what changed of its pixels; None before it was pasted, and where none in the picture is its own.
        noise: deviation of the noise in and around it, before and after, in units of 0..1; None before it was pasted,
            and where there is none.
    """

    alignment: Alignment
    tone: Tone
    left_alone: str | None = None
    change: Change | None = None
    noise: tuple[float, float] | None = None

    @property
    def face(self) -> Face:
        """The face, in pixels of its image."""
        return self.alignment.face


@dataclass(frozen=True, eq=False)
class RestoredFaces:
    """Faces that went through the network and are not pasted yet.

    Attributes:
        before: N x 3 x S x S in 0..1, the aligned crops.
        after: N x 3 x S x S in 0..1, the same crops restored.
        records: what is known of each.
    """

    before: torch.Tensor
    after: torch.Tensor
    records: tuple[FaceRecord, ...]

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """Where each crop came from."""
        return tuple(record.alignment for record in self.records)

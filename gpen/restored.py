"""Results of the chain, for a window of images and for a batch of windows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from .devices import refuse_out_of_memory
from .enlarging import Enlarger
from .stages import FaceRecord, FoundFaces
from .types import Alignment, Faces
from .wording import count


@dataclass(frozen=True, eq=False)
class RestoredWindow:
    """Result of the chain for consecutive images.

    Attributes:
        images: B x 3 x H x W in 0..1; the input tensor itself if no face was restored.
        mask: B x 1 x H x W in 0..1; pixels outside it equal the (prepared) input bit for bit.
        records: the record of each selected face, in the order of `before` and `after`.
        before: N x 3 x S x S, the aligned crops.
        after: N x 3 x S x S, the same crops restored; those of faces that were left alone as in `before`.
        prepared: report of the preparation of each image; None if it is off or the image has no face.
    """

    images: torch.Tensor
    mask: torch.Tensor
    records: tuple[FaceRecord, ...]
    before: torch.Tensor
    after: torch.Tensor
    prepared: tuple[dict[str, Any] | None, ...] = ()

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """The alignment of each crop."""
        return tuple(record.alignment for record in self.records)

    def draw_face_masks(self) -> torch.Tensor:
        """N x 1 x H x W in 0..1 on the CPU: the mask of each face in its image.

        Only the pages of memory that a face covers are in use; the others are never written.

        Raises:
            GPENError: there is not enough memory.
        """
        height, width = self.images.shape[-2:]
        with refuse_out_of_memory(
            f"There is not enough memory for a mask of {width} x {height} for {count(len(self.records), 'face')}; free "
            "some memory, restore fewer faces at once, or make the picture smaller."
        ):
            masks = torch.from_numpy(np.zeros((len(self.records), 1, height, width), np.float32))
        for mask, record in zip(masks, self.records, strict=True):
            if record.cover:
                mask[0, record.cover.rows, record.cover.columns] = record.cover.values
        return masks


@dataclass(frozen=True, eq=False, kw_only=True)
class RestoredBatch(RestoredWindow):
    """Result of the chain for a batch of images.

    Attributes:
        found: the selected faces, and the rejected ones with the reasons.
        seconds: time spent per stage.
        searched: whether the faces were searched; False if the caller knew them.
        running: backend and number format that restored its faces, or would, such as `openvino, bf16`.
        enlarger: what enlarged the images, to which faces, mask and records belong then; None if nothing did.
    """

    found: FoundFaces
    seconds: dict[str, float] = field(default_factory=dict)
    searched: bool = True
    running: str = ""
    enlarger: Enlarger | None = None

    @property
    def faces(self) -> Faces:
        """The selected faces, in the order of `records`."""
        return self.found.selected


class GatheredWindows:
    """The results of windows, put together.

    Args:
        images: B x 3 x H x W, the input of the whole batch.
        faces: the faces that are restored.
        crop_side: side of the crops.
        kept: positions of the faces whose crops are kept, rising; by default all.
    """

    def __init__(
        self, images: torch.Tensor, faces: Faces, crop_side: int, *, kept: Sequence[int] | None = None
    ) -> None:
        self.images = self._input = images
        self._faces = faces.faces
        self._kept = range(len(faces)) if kept is None else kept
        self.mask = torch.zeros_like(images[:, :1])
        # The channels of a pixel lie side by side, as ComfyUI and files have them: nobody copies them once more.
        self.before, self.after = (
            images.new_empty((len(self._kept), crop_side, crop_side, 3)).movedim(-1, 1) for _ in range(2)
        )
        self.records: list[FaceRecord] = []
        self.prepared: list[dict[str, Any] | None] = [None] * len(images)

    @classmethod
    def enlarged(cls, images: torch.Tensor, faces: Faces, crop_side: int, factor: int) -> GatheredWindows:
        """For windows of images enlarged by a factor, each of which is added; `faces` are those in them."""
        height, width = images.shape[-2:]
        # Takes no memory before the first of several windows is added.
        empty = torch.zeros(()).expand(len(images), 3, factor * height, factor * width)
        return cls(empty, faces, crop_side)

    def add(self, window: RestoredWindow, first: int, *, changed: bool) -> None:
        """Add the result of the window that begins with image `first`; `changed`: whether its images changed."""
        last, done = first + len(window.images), len(self.records)
        if changed and last - first == len(self._input):
            self.images = window.images.to(self._input.device)
        elif changed:
            self.images = self._input.clone() if self.images is self._input else self.images
            self.images[first:last] = window.images
        self.mask[first:last] = window.mask
        self.prepared[first:last] = window.prepared
        own = slice(done, done + len(window.records))
        first_kept, last_kept = bisect_left(self._kept, own.start), bisect_left(self._kept, own.stop)
        positions = [position - done for position in self._kept[first_kept:last_kept]]
        self.before[first_kept:last_kept] = window.before[positions]
        self.after[first_kept:last_kept] = window.after[positions]
        self.records += [
            replace(record, alignment=replace(record.alignment, face=face))
            for record, face in zip(window.records, self._faces[own], strict=True)
        ]

    def batch(
        self,
        found: FoundFaces,
        seconds: dict[str, float],
        *,
        running: str,
        searched: bool = True,
        enlarger: Enlarger | None = None,
    ) -> RestoredBatch:
        """The result of the whole batch; arguments as the attributes of `RestoredBatch`."""
        return RestoredBatch(
            self.images,
            self.mask,
            tuple(self.records),
            self.before,
            self.after,
            tuple(self.prepared),
            found=found,
            seconds=seconds,
            searched=searched,
            running=running,
            enlarger=enlarger,
        )

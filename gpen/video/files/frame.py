"""One frame: its samples, and what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...images import Picture
from .color import ColorModel
from .orientation import Orientation
from .planes import planes_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame.

    Attributes:
        number: in the file, from 0.
        time: when it is shown, in the time base of the video.
        key: whether the file stores it independently of others.
        picture: as PyAV decoded it, with all that belongs to it; `add_change` changes its samples.
        color, orientation: of the video.
        source: the picture file it came from, in a sequence of pictures.
    """

    number: int
    time: int
    key: bool
    picture: VideoFrame
    color: ColorModel
    orientation: Orientation
    source: Picture | None = None

    def rgb(self) -> torch.Tensor:
        """3 x H x W float32 RGB in 0..1, upright, with the file's own gamma; of HDR, an ordinary copy (see `hdr`)."""
        upright = self.orientation.upright(self.color.to_rgb(planes_of(self.picture)))
        return torch.from_numpy(np.ascontiguousarray(upright))

    def alpha(self) -> torch.Tensor | None:
        """H x W float32 in 0..1, upright, or None."""
        if not self.color.alpha:
            return None
        plane = planes_of(self.picture)[-1].astype(np.float32) / ((1 << self.color.depth) - 1)
        return torch.from_numpy(np.ascontiguousarray(self.orientation.upright(plane)))

    def add_change(self, before: torch.Tensor, after: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        """Put back what was changed, in place; all other samples stay as they were decoded, bit for bit.

        Args:
            before: what `rgb` gave, 3 x H x W, on the CPU.
            after: its changed copy.
            mask: H x W (or 1 x H x W); where it is 0, nothing changes. None: everywhere.
        """
        changed = (before != after).any(0)
        if mask is not None:
            changed &= mask.reshape(changed.shape) > 0
        stored = self.orientation.stored(changed.numpy())
        rows, columns = stored.any(1).nonzero()[0], stored.any(0).nonzero()[0]
        if not rows.size:
            return
        step = 4  # of chroma, at most
        region = (slice(rows[0] // step * step, rows[-1] + 1), slice(columns[0] // step * step, columns[-1] + 1))
        old = self.orientation.stored(before.numpy())[(slice(None), *region)]
        new = self.orientation.stored(after.numpy())[(slice(None), *region)]
        new = np.where(stored[region], new, old)
        self.picture.make_writable()
        self.color.add_change(planes_of(self.picture), old, new, (region[0].start, region[1].start))

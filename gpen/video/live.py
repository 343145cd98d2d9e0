"""Restore frames that come one by one, such as those of a camera, each at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..backends import settled
from ..checks import require_finite_images
from ..errors import ImageError, SettingsError
from ..images import from_array, to_array
from ..restored import RestoredWindow
from ..restorer import Restorer
from ..types import Faces, Size
from .steady import LiveFollower, SteadyChain, SteadyState, SteadyWork
from .steady.values import SlowValues

# Seconds from one frame to the next if no time is given.
_USUAL = 1 / 25
# Longer pauses count as this many seconds.
_LONGEST = 1.0
# Share of the way to the values of a face that those in use go in a frame.
_PACE = 1 / 8
# Faces for which the backend `auto` is settled: more than pay for the start of any engine.
_MANY = 10_000


class LiveVideo:
    """Restores the faces of a video whose frames come one by one, steadily, each without those that follow.

    `Restorer.live` makes one, with an example.

    Faces are detected in every eighth frame and at cuts, and followed between. What is remembered does not grow with
    the number of frames. Calls must come one after another.

    Args:
        restorer: models and settings.
        indices: numbers of the faces to restore, such as `0,2-4`; empty: all. A face has its number as long as it is
            there.

    Raises:
        SettingsError: `indices` cannot be parsed, or a network for the settings is missing.
    """

    def __init__(self, restorer: Restorer, *, indices: str = "") -> None:
        self._restorer, self._indices = restorer, indices
        restorer.networks.require(restorer.settings)
        with self._settled():  # an engine starts before the first frame comes
            self.reset()

    def reset(self) -> None:
        """Forget all frames; the next one may have another size and any time."""
        self._follower = LiveFollower(self._restorer.networks, self._restorer.settings, indices=self._indices)
        self._state, self._values = SteadyState(), dict[int, SlowValues]()
        self._size: Size | None = None
        self._time: float | None = None
        self.faces = Faces((), ())
        """The faces that were restored in the last frame."""

    def restore(self, frame: Any, *, time: float | None = None) -> Any:
        """Restore the next frame.

        Args:
            frame: an RGB array H x W x 3 (or H x W, or H x W x 4) of uint8, uint16 or float in 0..1, or a PIL image.
            time: when it was taken, in seconds; None: 1/25 after the one before.

        Returns:
            The restored frame, of the same type.

        Raises:
            ImageError: the frame has a wrong shape, dtype or range, contains NaN, or has another size than the one
                before.
            SettingsError: the time is not after that of the frame before.
            GPENError: there is not enough memory. The next frame goes on.
        """
        return to_array(self.restore_image(from_array(frame), time=time).images, like=frame)

    def restore_image(self, image: torch.Tensor, *, time: float | None = None) -> RestoredWindow:
        """As `restore`, of a tensor 1 x 3 x H x W in 0..1; with the mask and a record of each face."""
        require_finite_images(image, "A frame")
        size = (image.shape[-2], image.shape[-1])
        if len(image) != 1 or self._size not in (None, size):
            was = f" after frames of {self._size[1]} x {self._size[0]}" if self._size else ""
            raise ImageError(
                f"One frame at a time is restored, all of one size: {len(image)} of {size[1]} x {size[0]} came{was}; "
                "call reset() for another video."
            )
        seconds = self._seconds_to(time)
        self._size, self._time = size, time if time is not None else (self._time or 0.0) + seconds
        restorer = self._restorer
        with self._settled():
            number = self._follower.next_number
            tracks = self._follower.add(image[0], seconds)
            chain = _LiveChain(
                tracks, restorer.networks, restorer.settings, spans=self._follower.spans, values=self._values
            )
            result, self._state = chain.restore(image, [number], self._state)
        self._values, self.faces = chain.values, chain.faces_of([number])
        return result

    def _seconds_to(self, time: float | None) -> float:
        if time is None or self._time is None:
            if time is not None and not math.isfinite(time):
                raise SettingsError(f"The time of a frame is a number of seconds, not {time}.")
            return _USUAL
        if not time > self._time or not math.isfinite(time):
            raise SettingsError(
                f"Times of frames must rise: {time:g} came after {self._time:g}; leave them out, or call reset()."
            )
        return min(time - self._time, _LONGEST)

    def _settled(self) -> Any:
        return settled(self._restorer.generator.module, faces=_MANY)


class _LiveChain(SteadyChain):
    """The steps for one frame; the values of a face go evenly to its new ones in the frames after.

    Args:
        tracks, networks, settings, spans: as for `SteadyChain`.
        values: in use in the frame before, by track.
    """

    def __init__(self, *args: Any, values: Mapping[int, SlowValues], **more: Any) -> None:
        super().__init__(*args, **more)
        self.values = dict(values)

    def settle_frames(self, work: SteadyWork, before: Mapping[int, SlowValues]) -> Mapping[int, SlowValues]:
        after = super().settle_frames(work, before)
        pairs: Sequence[tuple[int, SlowValues]] = list(zip(work.track, work.values, strict=True))
        self.values = {
            number: self.values[number].towards(one, _PACE) if number in self.values else one for number, one in pairs
        }
        work.values = list(self.values.values())
        return after

"""Prepare the frames of a shot alike: what is judged of whole pictures and of the light on faces changes slowly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ...photograph.exposure import FaceLight, lift_faces, measure_light
from ...photograph.prepare import Correction, correct, find_correction
from ...photograph.white_balance import Cast
from ...settings import Settings
from ...types import Faces
from .values import is_judged

# Judgements that count like all before, and the share of the way to their mean that the values go in a frame.
_MEMORY, _PACE = 8.0, 1 / 8
# Luminance that counts as black.
_BLACK = 1e-3


@dataclass(frozen=True, eq=False)
class SlowNumbers:
    """Numbers that follow the mean of judgements slowly; exact when saved.

    Attributes:
        now: float64, in this frame.
        mean: of the judgements.
        weight: how many they are, limited.
    """

    now: np.ndarray
    mean: np.ndarray
    weight: float = 1.0

    def judged(self, new: np.ndarray) -> SlowNumbers:
        """With a new judgement."""
        weight = min(self.weight + 1, _MEMORY)
        return SlowNumbers(self.now, self.mean + (new - self.mean) / weight, weight)

    def array(self) -> np.ndarray:
        """3 x K, for a file."""
        return np.stack([self.now, self.mean, np.full_like(self.mean, self.weight)])

    @classmethod
    def of(cls, array: np.ndarray) -> SlowNumbers:
        """From `array`."""
        return cls(array[0], array[1], float(array[2, 0]))

    def next(self) -> SlowNumbers:
        """In the next frame."""
        return replace(self, now=self.now + _PACE * (self.mean - self.now))


@dataclass(frozen=True, eq=False)
class SlowPreparation:
    """What a frame leaves behind for the preparation of the next.

    Attributes:
        first: number of the first frame of the shot.
        whole: of the whole picture: levels (2), cast (2), logarithms of its gains (3), share of deblocking.
        phase: of the blocks, in the last judgement that saw some.
        lights: by track: logarithms to base 2 of the luminance of face and surroundings, and stops of the lift.
    """

    first: int
    whole: SlowNumbers
    phase: tuple[int, int] = (0, 0)
    lights: Mapping[int, SlowNumbers] = field(default_factory=dict)

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays, for a file."""
        lights = {f"light {number}": one.array() for number, one in self.lights.items()}
        return {"prepared": self.whole.array(), "prepared since": np.array([self.first, *self.phase]), **lights}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> SlowPreparation | None:
        """From the arrays of a file; None if there is none in it."""
        if "prepared" not in arrays:
            return None
        first, across, down = map(int, arrays["prepared since"])
        lights = {int(name[6:]): SlowNumbers.of(one) for name, one in arrays.items() if name.startswith("light ")}
        return cls(first, SlowNumbers.of(arrays["prepared"]), (across, down), lights)


def prepare_frame(
    image: torch.Tensor,
    number: int,
    faces: Faces,
    tracks: Sequence[int],
    before: SlowPreparation | None,
    cuts: Collection[int],
    settings: Settings,
) -> tuple[torch.Tensor, SlowPreparation]:
    """Prepare one frame as `photograph.prepare` does, but by judgements that hold for its shot.

    Args:
        image: 1 x 3 x H x W in 0..1.
        number: of the frame.
        faces: in it, with their tracks.
        tracks: as many.
        before: what the frame before left behind; None for the first.
        cuts: numbers of the frames that begin a shot.
        settings: of the preparation.

    Returns:
        The frame (the tensor itself if nothing changed), and what it leaves behind.
    """
    begins = before is None or number in cuts
    first = number if before is None or begins else before.first
    if before is None or begins or is_judged(number, first):
        found = find_correction(
            image, white_balance=settings.white_balance, deblock=settings.deblock, levels=settings.levels
        )
        new, phase = _numbers(found), found.phase if found.deblocked else (before.phase if before else (0, 0))
        whole = SlowNumbers(new, new) if before is None or begins else before.whole.judged(new).next()
        lights = {} if before is None or begins else dict(before.lights)
    else:
        whole, phase, lights = before.whole.next(), before.phase, dict(before.lights)
    image = correct(image, _correction(whole.now, phase), white_balance=settings.white_balance)
    if settings.exposure > 0 and len(faces):
        seen = measure_light(image, faces, settings.exposure)
        for track, light in zip(tracks, seen, strict=True):
            new = _light_numbers(light)
            lights[track] = lights[track].judged(new).next() if track in lights else SlowNumbers(new, new)
        known = [_light(light, lights[track].now) for track, light in zip(tracks, seen, strict=True)]
        image, _ = lift_faces(image, faces, settings.exposure, known=known)
    return image, SlowPreparation(first, whole, phase, lights)


def _numbers(found: Correction) -> np.ndarray:
    cast = found.cast
    shift = [cast.removed * cast.a, cast.removed * cast.b]
    return np.array([*found.line, *shift, *np.log(cast.gains), found.deblocked], np.float64)


def _correction(numbers: np.ndarray, phase: tuple[int, int]) -> Correction:
    gain, offset, a, b, red, green, blue, deblocked = map(float, numbers)
    gains = (float(np.exp(red)), float(np.exp(green)), float(np.exp(blue)))
    removed = float(any((a, b, red, green, blue)))
    return Correction((gain, offset), Cast(a, b, removed, gains, False, 1.0), deblocked, phase)


def _light_numbers(light: FaceLight) -> np.ndarray:
    return np.array([*np.log2(np.maximum([light.face, light.surroundings], _BLACK)), light.lift], np.float64)


def _light(seen: FaceLight, numbers: np.ndarray) -> FaceLight:
    face, surroundings, lift = map(float, numbers)
    return replace(seen, face=2**face, surroundings=2**surroundings, lift=lift)

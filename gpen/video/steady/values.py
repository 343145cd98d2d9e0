"""What is judged of a face, changing slowly along its track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ...detail.softening import Softening
from ...detail.spectrum.crossover import Crossover
from ...faces.paste import FineNoise
from ...pixels.tone import Kind, Tone
from ...stages import Judgement

JUDGED_EVERY = 8
"""Frames from one judgement of a face to the next."""
# Frames of a new track that are judged besides: the first values hold from its first frame on.
_JUDGED_FIRST = (0, 2, 4)
# Judgements that count like all before: the values follow within about three seconds.
_MEMORY = 8.0
# A face is left alone as the share of judgements that say so rises from the first to the second value.
_ALONE_FROM, _ALONE_TO = 0.35, 0.75
# A face keeps its kind of colour until another one has this share of the judgements.
_OTHER_KIND = 0.75
# Variance, in units of 0..1 squared, of no noise at all.
_NO_NOISE = 1e-10
_KINDS: tuple[Kind, ...] = ("colour", "toned", "black and white")


def is_judged(frame: int, first: int) -> bool:
    """Whether a face is judged in a frame; `first` is the first one of its track."""
    return frame % JUDGED_EVERY == 0 or frame - first in _JUDGED_FIRST


@dataclass(frozen=True, eq=False)
class SlowValues:
    """Mean judgements of a track up to some frame.

    What is measured in pixels counts in those of the frames: they stay alike where a face comes nearer.

    Attributes:
        numbers: float64: logarithms of the cut-offs (3), square roots of the noise (3), blur, share of judgements that
            leave the face alone, shares of `_KINDS` (3), logarithms of the fine noise's mean and calm variance, blur
            that brings the face to its surroundings, and the tone.
        weight: how many judgements they stand for, limited.
        kind: index in `_KINDS`.
        left_alone: the last reason to leave the face alone; empty if there was none.
    """

    numbers: np.ndarray
    weight: float
    kind: int
    left_alone: str

    def towards(self, other: SlowValues, share: float) -> SlowValues:
        """A share of the way to other values; what is no number is theirs."""
        numbers = self.numbers + (other.numbers - self.numbers) * share
        return SlowValues(numbers, other.weight, other.kind, other.left_alone)

    def judgement(self, scale: float) -> Judgement:
        """As a judgement of a crop with so many pixels for one of its frame.

        The share of being left alone is not in it, see `strength`.
        """
        cutoff, noise, blur, _, _, fine, softer, tone = np.split(self.numbers, [3, 6, 7, 8, 11, 13, 14])
        offsets, slopes = np.split(tone.astype(np.float32).reshape(-1, 3), [-2])
        crossover = Crossover(
            torch.from_numpy((np.exp(cutoff) / scale).astype(np.float32))[None].clamp(max=0.5),
            torch.from_numpy(((noise * scale) ** 2).astype(np.float32))[None],
            torch.from_numpy((blur * scale).astype(np.float32)),
        )
        own = Tone(_KINDS[self.kind], torch.from_numpy(offsets), torch.from_numpy(slopes))
        left_alone = self.left_alone if self.strength == 0 else None
        softening = Softening(float(softer[0]), None).resized(scale)
        return Judgement(crossover, own, left_alone, FineNoise(*map(float, np.exp(fine))), softening)

    @property
    def strength(self) -> float:
        """Share of the strength, 0..1, that not being left alone gives."""
        part = min(max((_ALONE_TO - float(self.numbers[7])) / (_ALONE_TO - _ALONE_FROM), 0.0), 1.0)
        return part * part * (3 - 2 * part)


def go_on(
    before: SlowValues | None, judged: Sequence[tuple[Judgement, float]], frames: int
) -> tuple[list[SlowValues], SlowValues | None]:
    """Take new judgements into the values of a track.

    Args:
        before: the values up to now; None for a new track.
        judged: the judgements in the frames that follow, each with the number of crop pixels for one of the frame; at
            least one for a new track.
        frames: number of these frames.

    Returns:
        The values for each of the frames, which go evenly to the new ones (a new track has them from its first frame
        on), and those.
    """
    after = _mean(before, judged) if judged else before
    assert after is not None, "a track is judged in its first frame"
    if before is None or after is before:
        return [after] * frames, after
    return [before.towards(after, (n + 1) / frames) for n in range(frames)], after


def _mean(before: SlowValues | None, judged: Sequence[tuple[Judgement, float]]) -> SlowValues:
    new = np.mean([_numbers(one, scale) for one, scale in judged], axis=0)
    reasons = [one.left_alone for one, _ in judged if one.left_alone]
    if before is None:
        return SlowValues(new, float(len(judged)), int(new[8:11].argmax()), reasons[-1] if reasons else "")
    total = min(before.weight + len(judged), _MEMORY)
    numbers = before.numbers + (new - before.numbers) * min(len(judged) / total, 1.0)
    shares = numbers[8:11]
    kind = int(shares.argmax()) if shares.max() >= _OTHER_KIND else before.kind
    return SlowValues(numbers, total, kind, reasons[-1] if reasons else before.left_alone)


def _numbers(judgement: Judgement, scale: float) -> np.ndarray:
    crossover, tone, fine = judgement.crossover, judgement.tone, judgement.fine_noise
    return np.concatenate(
        [
            np.log(crossover.cutoff[0].double().numpy().clip(1e-4) * scale),
            np.sqrt(crossover.noise[0].double().numpy().clip(0)) / scale,
            crossover.blur.double().numpy() / scale,
            [float(judgement.left_alone is not None)],
            [float(tone.kind == kind) for kind in _KINDS],
            np.log(np.maximum([fine.mean, fine.calm] if fine else [0, 0], _NO_NOISE)),
            [judgement.softening.blur / scale if judgement.softening else 0.0],
            tone.offsets.double().numpy().ravel(),
            tone.slopes.double().numpy().ravel(),
        ]
    )

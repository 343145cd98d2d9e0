"""What one window of frames leaves behind for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...errors import ImageError
from .arrays import load_arrays, save_arrays
from .carry import CarriedDetail
from .preparing import SlowPreparation
from .values import SlowValues


@dataclass(frozen=True, eq=False)
class SteadyState:
    """By the number of each track that may go on; it is never changed in place.

    Attributes:
        values: what was judged of the face.
        details: its detail in the last frame.
        matches: its colour match, if that is `mean_std`; see `matching`.
        preparation: of the whole frames, if they are prepared; not by track.
    """

    values: Mapping[int, SlowValues] = field(default_factory=dict)
    details: Mapping[int, CarriedDetail] = field(default_factory=dict)
    matches: Mapping[int, np.ndarray] = field(default_factory=dict)
    preparation: SlowPreparation | None = None

    def save(self, path: Path) -> None:
        """Write a `.npz` file, whole or not at all; what is loaded again gives the same results to the last bit.

        Raises:
            ImageError: the folder cannot be written to.
        """
        arrays: dict[str, np.ndarray] = {}
        for number, one in self.values.items():
            arrays[f"numbers {number}"] = one.numbers
            arrays[f"other {number}"] = np.array([one.weight, one.kind])
            arrays[f"left alone {number}"] = np.array(one.left_alone)
        for number, one in self.details.items():
            arrays[f"luma {number}"], arrays[f"detail {number}"] = one.luma, one.detail
        arrays |= {f"match {number}": one for number, one in self.matches.items()}
        if self.preparation is not None:
            arrays |= self.preparation.arrays()
        save_arrays(path, arrays)

    @classmethod
    def load(cls, path: Path) -> SteadyState:
        """Read a file of `save`.

        Raises:
            ImageError: it cannot be read, or is no such file.
        """
        arrays = load_arrays(path)
        try:
            return cls(
                {
                    number: SlowValues(
                        numbers,
                        float(arrays[f"other {number}"][0]),
                        int(arrays[f"other {number}"][1]),
                        str(arrays[f"left alone {number}"]),
                    )
                    for number, numbers in _named(arrays, "numbers").items()
                },
                {
                    number: CarriedDetail(luma, arrays[f"detail {number}"])
                    for number, luma in _named(arrays, "luma").items()
                },
                _named(arrays, "match"),
                SlowPreparation.of(arrays),
            )
        except (KeyError, IndexError, ValueError) as error:
            raise ImageError(f"{path} holds no state of a video ({error}); remove it.") from None


def _named(arrays: Mapping[str, np.ndarray], kind: str) -> dict[int, np.ndarray]:
    return {int(name.rpartition(" ")[2]): array for name, array in arrays.items() if name.rpartition(" ")[0] == kind}

"""Interpolate two networks: the weighted mean of their weights.

If one was trained further from the other, networks between them are as good as either or better, with a trade-off
between their strengths (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    gpen models interpolate a.safetensors b.safetensors 0.6 -o c.safetensors
"""

from __future__ import annotations

from pathlib import Path

from ....weights import checkpoint
from ....weights.digest import sha256_of
from ...checks import require_between
from ...errors import SettingsError
from ...network import build_generator
from ..shared.state import write_network


def interpolate(first: Path, second: Path, share: float, output: Path) -> None:
    """Write the interpolation of the networks in two files.

    Args:
        first, second: generators of the same shape, exported by `gpen train`.
        share: weight of the second, 0..1.
        output: a safetensors file in half precision, with the common template and a note on its origin.

    Raises:
        SettingsError: the shapes or templates of the networks differ, or the share is out of range.
    """
    require_between("share", share, 0, 1)
    files = [checkpoint.read(path) for path in (first, second)]
    ours, theirs = (build_generator(file.tensors).state_dict() for file in files)
    templates = [file.metadata.get("template") for file in files]
    if {name: value.shape for name, value in ours.items()} != {name: value.shape for name, value in theirs.items()}:
        raise SettingsError(f"{first} and {second} are networks of different shapes; take two of one training.")
    if templates[0] is None or templates[0] != templates[1]:
        raise SettingsError(
            f"{first} and {second} name the templates {templates[0]} and {templates[1]}; both must name one."
        )
    mean = {name: ours[name].lerp(theirs[name], share) for name in ours}
    metadata = {
        "template": templates[0],
        "interpolation": f"{1 - share:g} of {sha256_of(first)} and {share:g} of {sha256_of(second)}",
        **{f"recipe_{number}": file.metadata.get("recipe", "") for number, file in enumerate(files, start=1)},
    }
    write_network(mean, output, metadata)

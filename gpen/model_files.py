"""Which file each model of the chain is read from. Needs no torch.

What is loaded from them: `models`.
"""

from __future__ import annotations

from pathlib import Path

from ..weights import digest, store
from .choices import LANCZOS
from .errors import ModelNotFoundError
from .settings import Settings

# Candidates for `auto`, best first. Lists that end with a bundled model always find one.
AUTO_GENERATORS = ("gpen-bfr-512", "gpen-bfr-1024", "gpen-bfr-256", "gpen-lite-256")
AUTO_OF_TASK = {
    "restoration": AUTO_GENERATORS,
    "colorization": ("gpen-colorization-1024", "gpen-colorize-lite"),
    "inpainting": ("gpen-inpainting-1024", "gpen-inpaint-lite"),
    "seg2face": ("gpen-seg2face-512", "gpen-draw-lite"),
}
AUTO_DETECTORS = ("retinaface-resnet50", "retinaface-mobile0.25", "face-detector-lite")
CLASSIFIER = "face-classifier-lite"
AUTO_PARSERS = ("bisenet", "parsenet")
AUTO_LANDMARKERS = ("wflw-4hg", "face-landmarks-lite")


def resolve_model(name: str, candidates: tuple[str, ...], kind: str) -> store.ResolvedModel:
    """The file of a model: that of a name or path, or for `auto` the first candidate on this machine.

    Raises:
        ModelNotFoundError: there is none, or it is of another kind.
        WeightsError: it cannot be read.
    """
    names = candidates if name == "auto" else (name,)
    for candidate in names[:-1]:
        if store.find(candidate) is not None:
            return store.resolve(candidate)
    resolved = store.resolve(names[-1])
    if resolved.record is not None and resolved.record.kind != kind:
        raise ModelNotFoundError(
            f"{name} is a {resolved.record.kind} model, but a {kind} model is needed; `gpen models list` shows all."
        )
    return resolved


def model_hashes(model: str, detector: str, settings: Settings) -> dict[str, str]:
    """SHA-256 of each file that the chain is read from, by the names of the models.

    Args:
        model, detector: as for `stages.load_networks`.
        settings: settings of the chain.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        WeightsError: a file cannot be read.

    Example:
        >>> from gpen_blocks.gpen.model_files import model_hashes
        >>> from gpen_blocks.gpen.settings import Settings
        >>> sorted(model_hashes("gpen-lite-256", "face-detector-lite", Settings()))
        ['face-classifier-lite', 'face-detector-lite', 'face-landmarks-lite', 'gpen-lite-256']
    """
    best, bundled = AUTO_LANDMARKERS
    wanted = [
        resolve_model(model, AUTO_GENERATORS, "generator"),
        resolve_model(detector, AUTO_DETECTORS, "detector"),
        store.resolve(CLASSIFIER),
        store.resolve(best if settings.landmark_network == "wflw" and store.find(best) else bundled),
    ]
    if settings.mask_mode == "parsing":
        wanted.append(resolve_model("auto", AUTO_PARSERS, "parser"))
    return {one.record.name if one.record else str(one.path): one.sha256 for one in wanted}


def background_hashes(background: str) -> dict[str, str]:
    """SHA-256 of the file that enlarges pictures, as that of `background`; empty for `lanczos`.

    Raises:
        WeightsError: the file cannot be read.
    """
    return {} if background == LANCZOS else {"background": digest.sha256_of(Path(background).expanduser())}

"""What the chain tells about its work, ready for JSON: boxes in pixels, times in seconds."""

from __future__ import annotations

from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from .detail.sharpness import SHARP_ALREADY
from .faces.tiles import SMALLEST_FACE, smallest_face
from .faces.warp import scale_of
from .models import LoadedModel
from .presets import Preset, Settings
from .types import Face

if TYPE_CHECKING:
    from .pipeline import RestoredBatch

# From so many pixels of the photograph to one of the crop, a side, what is lost can be seen.
_COARSE = 1.5

_NOT_PREPARED = ", also not prepared by levels, white balance or deblocking"

PREVIEW_NOTE = (
    "{model} is a small bundled model of preview quality; gpen-bfr-512 does better: "
    "gpen models download gpen-bfr-512 (non-commercial licence)."
)


def batch_report(
    batch: RestoredBatch,
    generator: LoadedModel,
    detector: LoadedModel,
    preset: Preset,
    preview_note: str = PREVIEW_NOTE,
) -> dict[str, Any]:
    """What was found and done in a batch of images.

    Args:
        batch: from `restore_batch`.
        generator: the model it was made with.
        detector: the detector it was made with.
        preset: the settings it was made with, and their name.
        preview_note: what is told of a generator of preview quality, whose name stands for `{model}`.
    """
    height, width = batch.images.shape[-2:]
    restored = [
        {
            **_placed(face),
            **({"restored": True} if reason is None else {"restored": False, "skipped": reason}),
            "crop_pixels": alignment.crop_size,
            "model": generator.name,
            **_noise_told(noise),
        }
        for face, alignment, reason, noise in zip_longest(batch.faces, batch.alignments, batch.left_alone, batch.noise)
    ]
    skipped = [
        {**_placed(face), "restored": False, "skipped": _why_skipped(face, preset.settings)} for face in batch.rejected
    ]
    return {
        "images": len(batch.images),
        "size": {"width": width, "height": height},
        "model": generator.name,
        "backend": f"{generator.backend}, {generator.precision}",
        "detector": detector.name,
        "preset": preset.name,
        "settings": asdict(preset.settings),
        "prepared": list(batch.prepared),
        "seconds": {stage: round(value, 4) for stage, value in batch.seconds.items()},
        "faces": restored + skipped,
        "notes": _notes(batch, generator, preset.settings, preview_note),
    }


def describe_face(face: Face) -> dict[str, Any]:
    """A face as a JSON object: box and landmarks in pixels, score 0..1."""
    return {
        "box": [round(value, 2) for value in face.box],
        "width": round(face.width, 2),
        "height": round(face.height, 2),
        "score": round(face.score, 4),
        "landmarks": np.round(face.landmarks.astype(float), 2).tolist(),
    }


def _noise_told(noise: tuple[float, float] | None) -> dict[str, Any]:
    """Deviation of the noise found around a face, in 8-bit levels, and the share of it that was taken out."""
    if noise is None:
        return {}
    before, after = noise
    taken = max(0.0, 1 - after / before) if before > 0 else 0.0
    return {"noise_levels": round(255 * before, 1), "noise_taken": round(taken, 2)}


def _why_no_face(batch: RestoredBatch, settings: Settings) -> str:
    least = smallest_face(batch.faces.sizes[0])
    if settings.min_face_size or least <= SMALLEST_FACE:
        return "no face was found"
    return f"no face was found, and none under {least:.0f} pixels was looked for (min_face_size {SMALLEST_FACE} does)"


def _placed(face: Face) -> dict[str, Any]:
    return {"image": face.image_index, **describe_face(face)}


def _why_skipped(face: Face, settings: Settings) -> str:
    if face.size < settings.min_face_size:
        return f"smaller than {settings.min_face_size} pixels"
    return "not among the chosen faces"


def _notes(batch: RestoredBatch, generator: LoadedModel, settings: Settings, preview_note: str) -> list[str]:
    notes = []
    for index in range(len(batch.images)):
        if not batch.faces.of_image(index):
            left = len(batch.rejected.of_image(index))
            which = "The image" if len(batch.images) == 1 else f"Image {index}"
            why = f"none of its faces was selected ({left} found)" if left else _why_no_face(batch, settings)
            notes.append(f"{which} is unchanged{_NOT_PREPARED if settings.prepares else ''}: {why}.")
    sharp = sum(reason == SHARP_ALREADY for reason in batch.left_alone)
    if sharp:
        which = "1 face is" if sharp == 1 else f"{sharp} faces are"
        was = "was" if sharp == 1 else "were"
        notes.append(f"{which} {SHARP_ALREADY} and {was} left as {'it was' if sharp == 1 else 'they were'}.")
    coarse = [
        alignment
        for alignment, reason in zip_longest(batch.alignments, batch.left_alone)
        if reason is None and scale_of(alignment.inverse) > _COARSE
    ]
    if coarse:
        have, finer = ("1 face has", "it") if len(coarse) == 1 else (f"{len(coarse)} faces have", "them")
        notes.append(
            f"{have} far more pixels than the {coarse[0].crop_size} of {generator.name}: what {generator.name} cannot "
            f"see of {finer} was kept as it is; a larger model restores that too."
        )
    for index, told in enumerate(batch.prepared):
        if told is not None:
            which = "" if len(batch.images) == 1 else f"Image {index}: "
            notes += [which + note for note in told["notes"]]
    if generator.preview:
        notes.append(preview_note.format(model=generator.name))
    return notes

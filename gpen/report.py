"""JSON-serialisable reports of the chain: boxes in pixels, times in seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from .detail.sharpness import NOTHING_TO_ADD, SHARP_ALREADY
from .faces.detection.tiles import SMALLEST_FACE
from .faces.select import parse_indices
from .models import LoadedModel
from .pixels.warp import matrix_scale
from .presets import Preset
from .restored import RestoredBatch
from .settings import Settings
from .stages import FaceRecord, Networks
from .stages.find import NOT_CHOSEN
from .types import Face
from .wording import LEFT_ALONE, agree, count

# From this many photograph pixels per crop pixel (per side) on, the lost detail is visible.
_COARSE = 1.5
# Up to this many photograph pixels per crop pixel, half the crop would hold all that there is.
_FINE = 0.5
# The smallest size of which this is told: at 256 pixels, a face is drawn more coarsely than people want it.
_LARGE = 1024

# More numbers would be no short sentence.
_MOST_NUMBERS = 3

_NOT_PREPARED = ", not even by levels, white balance or deblocking"

PREVIEW_NOTE = (
    "{model} is a small bundled model of preview quality; gpen-bfr-512 does better: "
    "gpen models download gpen-bfr-512 (non-commercial licence)."
)


def batch_report(
    batch: RestoredBatch,
    networks: Networks,
    preset: Preset,
    preview_note: str = PREVIEW_NOTE,
    *,
    indices: str = "",
) -> dict[str, Any]:
    """Report of what was found and done in a batch of images.

    Args:
        batch: from `restore_batch`.
        networks: the networks used.
        preset: the settings used, and their name.
        preview_note: note about a generator of preview quality; `{model}` is replaced by its name.
        indices: as asked for in `restore_batch`; numbers that no face has are told.
    """
    height, width = batch.images.shape[-2:]
    generator, detector = networks.generator, networks.detector
    numbers = batch.found.numbers
    chosen = [
        _numbered(record.face, numbers) | _describe_chosen(record, generator.name, preset.settings.match_sharpness)
        for record in batch.records
    ]
    skipped = [
        {**_numbered(face, numbers), **_placed(face), "restored": False, "skipped": reason}
        for face, reason in zip(batch.found.rejected, batch.found.reasons, strict=True)
    ]
    # First what people look for, last what is long and known.
    return {
        "notes": [
            *filter(None, [absent_numbers(indices, numbers.values())]),
            *_notes(batch, generator, preset.settings, preview_note),
            *(batch.enlarger.notes if batch.enlarger else ()),
            *networks.notes,
            *preset.notes,
        ],
        "faces": chosen + skipped,
        "images": len(batch.images),
        "size": {"width": width, "height": height},
        **({"enlarged": batch.enlarger.describe()} if batch.enlarger else {}),
        "model": generator.name,
        "backend": generator.running,
        "detector": detector.name if batch.searched else None,
        **({"parser": networks.parser.name} if networks.parser and preset.settings.mask_mode == "parsing" else {}),
        "seconds": {stage: round(value, 4) for stage, value in batch.seconds.items()},
        "prepared": list(batch.prepared),
        "preset": preset.name,
        "settings": asdict(preset.settings),
    }


def absent_numbers(indices: str, numbers: Iterable[int]) -> str:
    """A sentence about indices that no face of any image has; empty if there are none."""
    present = set(numbers)
    absent = [str(index) for index in parse_indices(indices) if index not in present]
    if not absent:
        return ""
    has = f"the numbers go from 0 to {max(present)}" if present else "no face has a number"
    return f"No face has the number {', '.join(absent[:_MOST_NUMBERS])}{' ...' * (len(absent) > _MOST_NUMBERS)}: {has}."


def describe_face(face: Face) -> dict[str, Any]:
    """A face as a JSON object: box and landmarks in pixels, score in 0..1."""
    return {
        "box": [round(value, 2) for value in face.box],
        "width": round(face.width, 2),
        "height": round(face.height, 2),
        "score": round(face.score, 4),
        "landmarks": np.round(face.landmarks.astype(float), 2).tolist(),
    }


def _noise_told(noise: tuple[float, float] | None) -> dict[str, Any]:
    """Standard deviation of the noise around a face in 8-bit levels, and the share of it that was removed."""
    if noise is None:
        return {}
    before, after = noise
    taken = max(0.0, 1 - after / before) if before > 0 else 0.0
    return {"noise_levels": round(255 * before, 1), "noise_taken": round(taken, 2)}


def _softening_told(record: FaceRecord, amount: float) -> dict[str, Any]:
    """Deviation in pixels by which a face was softened, and cut-off of its surroundings in cycles per pixel."""
    if record.softening is None or record.left_alone is not None:
        return {}
    told = record.softening.resized(matrix_scale(record.alignment.inverse))
    cutoff = None if told.surroundings is None else round(told.surroundings, 4)
    return {"softened": {"sigma": round(amount * told.blur, 2), "surroundings_cutoff": cutoff}}


def _why_none_restored(batch: RestoredBatch, index: int, settings: Settings) -> str:
    found = batch.found
    reasons = [reason for face, reason in zip(found.rejected, found.reasons, strict=True) if face.image_index == index]
    if reasons:
        what = f"{count(len(reasons), 'face')} {agree(len(reasons), 'was', 'were')} {LEFT_ALONE}"
        return f"{what} ({'; '.join(dict.fromkeys(reasons))})"
    if settings.min_face_size or found.least_size <= SMALLEST_FACE:
        least = f" of {settings.min_face_size:.0f} pixels or more" if settings.min_face_size else ""
        return f"no face{least} was found"
    return (
        f"no face was found; faces under {found.least_size:.0f} pixels were not searched "
        f"(set min_face_size to {SMALLEST_FACE} to include them)"
    )


def _numbered(face: Face, numbers: dict[Face, int]) -> dict[str, int]:
    """The number of a face for `indices`; a face that cannot be selected has none."""
    return {"number": numbers[face]} if face in numbers else {}


def _placed(face: Face) -> dict[str, Any]:
    return {"image": face.image_index, **describe_face(face)}


def _describe_chosen(record: FaceRecord, model: str, match_sharpness: float) -> dict[str, Any]:
    """A selected face: how it changed (in 8-bit levels), or why it did not."""
    why, change = record.left_alone, record.change
    told: dict[str, Any] = {**_placed(record.face), "restored": why is None}
    if why is not None:
        told["skipped"] = why
    share, mean, largest = (change.share, change.mean, change.largest) if change else (0.0, 0.0, 0.0)
    told["changed"] = {"share": round(share, 4), "mean": round(mean, 2), "max": round(largest, 2)}
    told["colour"] = record.tone.kind
    told |= _noise_told(record.noise) | _softening_told(record, match_sharpness)
    return {**told, "crop_pixels": record.alignment.crop_size, "model": model}


def _notes(batch: RestoredBatch, generator: LoadedModel, settings: Settings, preview_note: str) -> list[str]:
    notes = []
    for index in range(len(batch.images)):
        if not batch.faces.of_image(index):
            which = "The image" if len(batch.images) == 1 else f"Image {index}"
            why = _why_none_restored(batch, index, settings)
            what = "was enlarged and not otherwise changed" if batch.enlarger else "was not changed"
            notes.append(f"{which} {what}{_NOT_PREPARED if settings.prepares else ''}: {why}.")
    passed_over = [
        reason
        for face, reason in zip(batch.found.rejected, batch.found.reasons, strict=True)
        if reason != NOT_CHOSEN and batch.faces.of_image(face.image_index)
    ]
    for why, faces in Counter(passed_over).items():
        notes.append(f"{count(faces, 'face')} {agree(faces, 'was', 'were')} {LEFT_ALONE}: {why}.")
    for why, faces in Counter(record.left_alone for record in batch.records if record.left_alone).items():
        if why == SHARP_ALREADY:
            which = agree(faces, "is sharp already and was not changed", "are sharp already and were not changed")
            notes.append(f"{count(faces, 'face')} {which}.")
        elif why == NOTHING_TO_ADD:
            which = agree(
                faces,
                "already has the detail that a restoration would add, and was not changed",
                "already have the detail that a restoration would add, and were not changed",
            )
            notes.append(f"{count(faces, 'face')} {which}.")
        else:
            notes.append(f"{count(faces, 'face')} {agree(faces, 'was', 'were')} {LEFT_ALONE}: {why}.")
    restored = [record.alignment for record in batch.records if record.left_alone is None]
    scales = [matrix_scale(alignment.inverse) for alignment in restored]
    if any(scale > _COARSE for scale in scales):
        # The same words for every picture, so that many pictures can share them.
        notes.append(
            f"Faces with far more pixels than the {restored[0].crop_size} of {generator.name} keep what "
            f"{generator.name} cannot see as it is; a larger model restores that too."
        )
    size = generator.module.config.size
    if scales and size >= _LARGE and max(scales) <= _FINE:
        notes.append(
            f"No face has more than half of the {size} pixels of {generator.name}, so nothing is gained by them; "
            f"gpen-bfr-{size // 2} gives as much detail with less time and memory."
        )
    unmeasured = sum(
        record.left_alone is None and record.softening is not None and record.softening.surroundings is None
        for record in batch.records
    )
    if unmeasured:
        notes.append(
            f"The surroundings of {count(unmeasured, 'face')} have too little detail to match the sharpness to them; "
            f"{agree(unmeasured, 'it was', 'they were')} not softened."
        )
    for index, told in enumerate(batch.prepared):
        if told is not None:
            which = "" if len(batch.images) == 1 else f"Image {index}: "
            notes += [which + note for note in told["notes"]]
    notes += generator.faults
    if generator.preview:
        notes.append(preview_note.format(model=generator.name))
    return notes

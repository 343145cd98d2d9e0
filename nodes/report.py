"""What GPEN Face Restore tells about its work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..gpen.models import LoadedModel
from ..gpen.pipeline import PREVIEW_NOTE, RestoredBatch, describe_face
from ..gpen.presets import Preset


def batch_report(batch: RestoredBatch, generator: LoadedModel, detector: LoadedModel, preset: Preset) -> dict[str, Any]:
    """What was found and done in a batch of images, ready for JSON: boxes in pixels, times in seconds."""
    height, width = batch.images.shape[-2:]
    faces = [
        {"image": face.image_index, **describe_face(face), "restored": restored}
        for found, restored in ((batch.faces, True), (batch.rejected, False))
        for face in found
    ]
    return {
        "images": len(batch.images),
        "size": {"width": width, "height": height},
        "model": generator.name,
        "detector": detector.name,
        "preset": preset.name,
        "settings": asdict(preset.settings),
        "seconds": {stage: round(value, 4) for stage, value in batch.seconds.items()},
        "faces": faces,
        "notes": _notes(batch, generator),
    }


def _notes(batch: RestoredBatch, generator: LoadedModel) -> list[str]:
    notes = []
    for index in range(len(batch.images)):
        if not batch.faces.of_image(index):
            left = len(batch.rejected.of_image(index))
            why = f"none of its {left} faces was selected" if left else "no face was found"
            notes.append(f"Image {index} is unchanged: {why}.")
    if generator.preview:
        notes.append(PREVIEW_NOTE.format(model=generator.name))
    return notes

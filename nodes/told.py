"""What a block says in itself after a run: one short line, with the reasons for what it left out.

ComfyUI keeps the line until the next one, so a block that may have something to say says something after each run, or
gives `progress.say` a line that replaces an older one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from ..gpen.faces.detection.tiles import SMALLEST_FACE, smallest_face
from ..gpen.faces.looks import find_misordered, find_unlike, looks_of
from ..gpen.report import absent_numbers
from ..gpen.restored import RestoredBatch
from ..gpen.settings import Settings
from ..gpen.stages.find import NOT_CHOSEN
from ..gpen.types import Faces
from ..gpen.wording import agree, count, named

# More reasons would be no short line; the report has all.
_MOST_REASONS = 3


def loaded(name: str) -> str:
    """The line of a loader that has nothing else to say."""
    return f"{name} is loaded."


def detected(faces: Faces, heads_left_out: int, min_face_size: int) -> str:
    """The line of GPEN Detect Faces.

    Args:
        faces: the faces found.
        heads_left_out: number of heads on the side or upside down.
        min_face_size: as asked for; 0: automatic.
    """
    found = f"{count(len(faces), 'face')} found" if len(faces) else _none_found(faces, min_face_size)
    if not heads_left_out:
        return f"{found}."
    heads = f"{count(heads_left_out, 'head')} on the side or upside down {agree(heads_left_out, 'is', 'are')} left out"
    return f"{found}; {heads}: turn on rotated to include such heads."


def _none_found(faces: Faces, min_face_size: int) -> str:
    least = math.ceil(smallest_face(faces.sizes[0]))
    if min_face_size:
        return f"No face of {min_face_size} pixels or more was found"
    if least <= SMALLEST_FACE:
        return "No face was found"
    return f"No face was found; faces under {least} pixels were not searched (set min_face_size to {SMALLEST_FACE})"


def selected(
    found: Faces, counted: Faces, chosen: Faces, numbers: Iterable[int], indices: str, limits: Sequence[str]
) -> str:
    """The line of GPEN Select Faces.

    Args:
        found: all faces.
        counted: those with a number, which lie in the regions and are large enough.
        chosen: the selected ones.
        numbers: the numbers of the faces.
        indices: as asked for.
        limits: what may have left faces out, such as `outside the regions`.
    """
    if not len(found):
        return "No face was found, so none is selected."
    line = f"{len(chosen)} of {count(len(found), 'face')} selected."
    left_out = len(found) - len(counted)
    if left_out:
        line += f" {left_out} {agree(left_out, 'has', 'have')} no number: {' or '.join(limits) or 'not upright'}."
    return " ".join(filter(None, (line, absent_numbers(indices, numbers))))


def restored(batch: RestoredBatch, settings: Settings, indices: str) -> str:
    """The line of GPEN Face Restore, without what its networks have to say."""
    found = batch.found
    done = sum(record.left_alone is None for record in batch.records)
    if not len(batch.records) and not len(found.rejected):
        none_found = f"{_none_found(batch.faces, settings.min_face_size)}."
        return " ".join(filter(None, (none_found, _unprepared(batch, settings))))
    reasons = [record.left_alone for record in batch.records if record.left_alone]
    # Who chooses faces knows that others are left out, unless none remains.
    reasons += [reason for reason in found.reasons if reason != NOT_CHOSEN or not len(batch.records)]
    line = f"{count(done, 'face')} restored" if done else "No face was restored"
    if reasons:
        line += f"; {len(reasons)} left alone: {_listed(reasons)}"
    more = absent_numbers(indices, found.numbers.values()), _images_without(batch), _unprepared(batch, settings)
    return " ".join(filter(None, (f"{line}.", *more)))


def redrawn(faces: Sequence[Mapping[str, Any]], images: int, done: str, indices: str) -> str:
    """The line of a block that redraws faces.

    Args:
        faces: from the reports of `gpen.redraw`, with the number of their image.
        images: number of images.
        done: what the block does to a face: `coloured` or `filled`.
        indices: as asked for.
    """
    if not faces:
        return f"No face was found, so none is {done}."
    number = sum(face[done] for face in faces)
    # Who chooses faces knows that others are left out, unless none remains.
    reasons = [face["skipped"] for face in faces if not face[done] and (face["skipped"] != NOT_CHOSEN or not number)]
    line = f"{count(number, 'face')} {done}" if number else f"No face is {done}"
    if reasons:
        line += f"; {len(reasons)} left alone: {_listed(reasons)}"
    numbers = [face["number"] for face in faces if face["number"] is not None]
    without = images - len({face["image"] for face in faces})
    alone = f"{without} of {images} images {agree(without, 'has', 'have')} no face." if without else ""
    return " ".join(filter(None, (f"{line}.", absent_numbers(indices, numbers), alone)))


def parts_masked(parts: Sequence[str], faces: int, images: int) -> str:
    """The line of GPEN Mask Face Parts."""
    if not faces:
        return "No face was found: the mask is black."
    if not parts:
        return "No part is chosen: the mask is black."
    return f"{', '.join(parts)} of {count(faces, 'face')} in {count(images, 'image')}."


def proposed(shares: Sequence[float]) -> str:
    """The line of GPEN Propose Scratches for the share of each image that is proposed, 0..1."""
    if not any(shares):
        return "No scratch was found: the mask is black."
    share = sum(shares) / len(shares)
    return f"{share:.2%} of the pixels proposed; look at the mask before it is filled in."


def drawn(number: int) -> str:
    """The line of GPEN Draw Face from Map."""
    return f"{count(number, 'face')} drawn."


def mapped(number: int, parsed: bool) -> str:
    """The line of GPEN Map Faces: the number of maps, and whether a face parser made them."""
    if not number:
        return "There is no face: the map is black."
    how = "by the face parser" if parsed else "from landmarks and colours, since no face parser is here"
    return f"{count(number, 'map')} made {how}."


def video_restored(report: Mapping[str, Any]) -> str:
    """The line of GPEN Video Restore, given the report of the engine."""
    faces, frames = report["faces"], count(report["frames"], "frame")
    done = [face for face in faces if face["restored_frames"]]
    reasons = [face["left_alone"] for face in faces if "left_alone" in face]
    if not faces:
        return f"{frames}; no face was found."
    line = f"{frames}; {count(len(done), 'face') if done else 'no face was'} restored"
    return f"{line}; {len(reasons)} left alone: {_listed(reasons)}." if reasons else f"{line}."


def _listed(reasons: Sequence[str]) -> str:
    """Reasons with their number, the most frequent first."""
    kinds = Counter(reasons).most_common()
    if len(kinds) == 1:
        return kinds[0][0]
    shown = [f"{number} {reason}" for reason, number in kinds[:_MOST_REASONS]]
    return ", ".join([*shown, *(["others in the report"] if len(kinds) > _MOST_REASONS else [])])


def _images_without(batch: RestoredBatch) -> str:
    """A sentence about the images of a batch in which no face was found."""
    seen = {face.image_index for faces in (batch.faces, batch.found.rejected) for face in faces}
    without = len(batch.images) - len(seen)
    return f"{without} of {len(batch.images)} images {agree(without, 'has', 'have')} no face." if without else ""


def _unprepared(batch: RestoredBatch, settings: Settings) -> str:
    """A sentence about the images that levels, white balance, deblocking and exposure should have changed."""
    number = batch.prepared.count(None) if settings.prepares else 0
    if not number:
        return ""
    if len(batch.images) == 1:
        return "The image was not prepared either: it has no face to restore."
    have = agree(number, "was not prepared: it has", "were not prepared: they have")
    return f"{number} of {count(len(batch.images), 'image')} {have} no face to restore."


def cut(number: int) -> str:
    """The line of GPEN Align Faces for a number of crops."""
    return f"{count(number, 'crop')} cut." if number else "There is no face: the crop is black."


def crops_restored(number: int, misplaced: Sequence[int], looked_at: int, model: str) -> str:
    """The line of GPEN Restore Crops.

    Args:
        number: number of crops; 0 if there is only the black one.
        misplaced: positions of those that do not look aligned.
        looked_at: number of crops that were looked at.
        model: name of the model.
    """
    if not number:
        return "There is no face: the crop stays black."
    if not misplaced:
        return f"{count(number, 'crop')} restored."
    named = ", ".join(map(str, misplaced[:_MOST_REASONS])) + " ..." * (len(misplaced) > _MOST_REASONS)
    few = agree(len(misplaced), "does not look like an aligned face", "do not look like aligned faces")
    return (
        f"{len(misplaced)} of {count(looked_at, 'crop')} ({named}) {few}: eyes, nose and mouth are not where {model} "
        "expects them. Connect the crops of GPEN Align Faces, or use GPEN Face Restore for photographs."
    )


def faces_misplaced(misplaced: Sequence[int], looked_at: int) -> str:
    """A sentence about faces found elsewhere, at whose places the image shows none; empty if there are none."""
    if not misplaced:
        return ""
    return (
        f"{len(misplaced)} of {count(looked_at, 'given face')} {agree(len(misplaced), 'is', 'are')} not where faces "
        "says: connect to faces what was found in this image."
    )


def other_crops(detail: torch.Tensor, base: torch.Tensor) -> str:
    """A sentence of GPEN Frequency Blend if `detail` is not of what `base` shows, B x 3 x H x W each; else empty."""
    given, seen = looks_of(detail), looks_of(base)
    misordered = find_misordered(given, seen)
    unlike = sorted({*misordered, *find_unlike(given, seen)})
    if not unlike:
        return ""
    which = f" {named(unlike)}" if len(detail) > 1 else ""
    line = f"detail{which} hardly looks like base{which}"
    if misordered:
        return f"{line}: the crops seem to be in another order; connect both in the same order."
    return f"{line}: connect the same crops, before and after."


def pasted(faults: Sequence[str | None]) -> str:
    """The line of GPEN Paste Faces: for each crop why it was skipped, or None."""
    if not faults:
        return "There is no face: nothing was pasted."
    skipped = [f"crop {index} ({fault})" for index, fault in enumerate(faults) if fault]
    line = f"{count(len(faults) - len(skipped), 'crop')} pasted"
    if skipped:
        more = f" and {len(skipped) - _MOST_REASONS} more" if len(skipped) > _MOST_REASONS else ""
        line += f"; skipped: {', '.join(skipped[:_MOST_REASONS])}{more}"
    return f"{line}."

"""Which of the found faces are worked on."""

from __future__ import annotations

import math
import re
import reprlib
from functools import partial
from typing import get_args

from ..choices import FaceOrder
from ..errors import SettingsError
from ..types import Face, Faces, Size

# A number or a range in a list such as `0,2-4`. Four digits are more faces than a picture has, and keep a slip of the
# finger from asking for millions of numbers.
_INDEX = re.compile(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?")
# Shows texts in errors, long ones by their ends.
_EXCERPT = reprlib.Repr()
_EXCERPT.maxstring = 40


def parse_indices(text: str) -> tuple[int, ...]:
    """Read a list of indices such as `0,2-4`.

    Args:
        text: numbers from 0 to 9999 and inclusive ranges of them, separated by commas; blanks do not matter.

    Returns:
        The indices, rising, each once; none for an empty text.

    Raises:
        SettingsError: the text is something else.
    """
    if not text.strip():
        return ()
    indices: set[int] = set()
    for entry in text.split(","):
        match = _INDEX.fullmatch(entry)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise SettingsError(
                f"The face indices {_EXCERPT.repr(text)} cannot be read at {_EXCERPT.repr(entry.strip())}; "
                "write numbers counted from 0 and ranges, such as 0,2-4."
            )
        indices.update(range(first, last + 1))
    return tuple(sorted(indices))


def select_faces(
    faces: Faces,
    order: FaceOrder | str = "largest",
    indices: str = "",
    min_face_size: float = 0,
    max_faces: int = 0,
) -> tuple[Faces, Faces]:
    """Choose faces, image by image.

    1. Faces smaller than `min_face_size`, those whose box is not finite, and those that would be turned the wrong way,
       are left out.
    2. The others are put in order.
    3. Of these, `indices` picks by position; a position an image has no face for picks nothing there, so one list
       serves a whole batch.
    4. At most the first `max_faces` stay.

    Args:
        faces: of any number of images.
        order: `largest` box area first, `left_to_right` and `top_to_bottom` by the box's centre, `centre` nearest to
            the image's centre first, highest `score` first. Equals keep the order they came in.
        indices: positions counted from 0, such as `0,2-4`; empty for all.
        min_face_size: the least larger side of a face's box, in pixels.
        max_faces: at most so many faces an image; 0 for all.

    Returns:
        The selected faces, image by image in the chosen order (no face where nothing fits: an empty selection never
        means all), and the rejected ones in the order they came in.

    Raises:
        SettingsError: the order is unknown, or the indices cannot be read.
    """
    if order not in get_args(FaceOrder):
        raise SettingsError(f"There is no face order {order!r}; choose from {', '.join(get_args(FaceOrder))}.")
    wanted = parse_indices(indices)
    selected: list[Face] = []
    for image_index, size in enumerate(faces.sizes):
        own = [face for face in faces.of_image(image_index) if all(map(math.isfinite, face.box)) and not face.wrong_way]
        candidates = [face for face in own if face.size >= min_face_size]
        candidates.sort(key=partial(_rank, order=order, size=size))
        if indices.strip():
            candidates = [candidates[index] for index in wanted if index < len(candidates)]
        selected += candidates[: max_faces or None]
    chosen = {id(face) for face in selected}
    rejected = tuple(face for face in faces if id(face) not in chosen)
    return Faces(tuple(selected), faces.sizes), Faces(rejected, faces.sizes)


def _rank(face: Face, order: str, size: Size) -> float:
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    height, width = size
    ranks = {
        "largest": -face.width * face.height,
        "left_to_right": x,
        "top_to_bottom": y,
        "centre": math.hypot(x - (width - 1) / 2, y - (height - 1) / 2),
        "score": -face.score,
    }
    return ranks[order]


def upright_faces(faces: Faces) -> tuple[Faces, Faces]:
    """Those faces that can be aligned, and those that would be turned the wrong way."""
    upright, wrong = (
        Faces(tuple(face for face in faces if face.wrong_way == which), faces.sizes) for which in (False, True)
    )
    return upright, wrong

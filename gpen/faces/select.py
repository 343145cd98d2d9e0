"""Select the faces to process."""

from __future__ import annotations

import math
import re
import reprlib
from functools import partial
from typing import get_args

from ..choices import FaceOrder
from ..errors import SettingsError
from ..types import Face, Faces, Size

# A number or a range in a list such as `0,2-4`. Four digits are enough for any picture, and a typing error cannot
# request millions of numbers.
_INDEX = re.compile(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?")
# What East Asian keyboards type for the characters of such a list. face_indices.js has the same table.
_TYPED = str.maketrans("０１２３４５６７８９，、﹐､－–—‐‑−ー~～〜", "0123456789,,,,----------")  # noqa: RUF001
# Shortens long texts in error messages.
_EXCERPT = reprlib.Repr()
_EXCERPT.maxstring = 40


def parse_indices(text: str) -> tuple[int, ...]:
    """Read a list of indices such as `0,2-4`.

    Args:
        text: numbers from 0 to 9999 and inclusive ranges, separated by commas; spaces are ignored. The full-width
            characters that an East Asian keyboard types for them count as well.

    Returns:
        The indices, sorted, each once; empty for an empty text.

    Raises:
        SettingsError: the text is not such a list.
    """
    if not isinstance(text, str):
        raise SettingsError(f"Face indices are a text such as '0,2-4', not {text!r}.")
    if not text.strip():
        return ()
    indices: set[int] = set()
    for entry in text.translate(_TYPED).split(","):
        match = _INDEX.fullmatch(entry)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise SettingsError(
                f"The face indices {_EXCERPT.repr(text)} cannot be parsed at {_EXCERPT.repr(entry.strip())}; "
                "use numbers from 0 and ranges, such as 0,2-4."
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
    """Select faces, image by image.

    1. Reject faces smaller than `min_face_size`, with a non-finite box, or with the flag `wrong_way`.
    2. Sort the others.
    3. Select by position with `indices`. Positions beyond the faces of an image are ignored, so that one list can be
       used for a whole batch.
    4. Keep at most the first `max_faces`.

    Args:
        faces: faces of any number of images.
        order: `largest` box area first, `left_to_right` and `top_to_bottom` by the centre of the box, `centre` nearest
            to the centre of the image first, highest `score` first. The sort is stable.
        indices: positions from 0, such as `0,2-4`; empty: all.
        min_face_size: minimum longer side of a face's box, in pixels.
        max_faces: maximum number of faces per image; 0: all.

    Returns:
        The selected faces, image by image in the given order (an empty selection stays empty and never means all), and
        the rejected ones in their original order.

    Raises:
        SettingsError: the order is unknown, or the indices cannot be parsed.
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


def number_faces(faces: Faces) -> dict[Face, int]:
    """The number of each face for `indices`: its position within its image."""
    return {face: number for index in range(len(faces.sizes)) for number, face in enumerate(faces.of_image(index))}


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
    """Split faces into those that can be aligned and those with the flag `wrong_way`."""
    upright, wrong = (
        Faces(tuple(face for face in faces if face.wrong_way == which), faces.sizes) for which in (False, True)
    )
    return upright, wrong

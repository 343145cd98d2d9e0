"""Draw a face from a map of its parts, and make such maps and their legend."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..checks import require_between
from ..devices import on_device, select_device
from ..errors import ImageError
from ..faces.align import align_faces
from ..faces.landmarks import find_landmarks68
from ..faces.masks.maps import parsed_maps, sketch_map
from ..faces.masks.parts import crop_landmarks
from ..images import from_array, open_picture
from ..images.samples import integer_array
from ..models import choose_landmarker, has_parser, load_detector, load_generator, load_parser
from ..progress import Progress, silent
from ..restore import restore_crops
from ..settings import Settings
from ..sheets import new_sheet, write_line
from ..stages import find_faces
from ..tasks import DRAWING
from ..tasks.maps import COLOURS, colour_of, labels_of

# Side of the maps of photographs: that of the published network and of the parsers.
MAP_SIDE = 512
_NAMES = {"eye_g": "glasses", "u_lip": "upper lip", "l_lip": "lower lip", "ear_r": "earring", "neck_l": "necklace"}
_SIDES = {"l_": "left ", "r_": "right "}
# Legend: height of a line and width of the sheet.
_LINE, _WIDTH = 28, 260


def draw_face(
    map_of_parts: Any, *, model: str = "auto", device: str = "auto", progress: Progress = silent
) -> np.ndarray:
    """Draw a face from a map.

    Args:
        map_of_parts: H x W x 3 in the colours of the legend, H x W of the classes 0 to 18 (both uint8), a PIL image, or
            the path of a picture. Square, with the face in FFHQ's framing; resized to the nearest pixel, so that no
            colours are mixed.
        model: a registry name, a path, or `auto`: the best drawing network on this machine.
        device: `auto`, or a torch device.
        progress: called regularly; an exception it raises ends the work.

    Returns:
        S x S x 3 uint8; S is the size of the model.

    Raises:
        ModelNotFoundError: the model is not on this machine.
        ImageError: the map cannot be read, is not square, or has other colours.
        SettingsError: the model is for another task.
    """
    labels = _labels(map_of_parts)
    place = select_device(device)
    generator = load_generator(model, device=place, task=DRAWING.name).module
    size = generator.config.size
    laid = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    drawn = restore_crops(
        generator,
        from_array(colour_of(laid)),
        task=DRAWING,
        colour="keep",
        place=on_device(place),
        progress=progress,
    )
    return integer_array(drawn, np.dtype(np.uint8))


def map_photograph(
    image: Any,
    *,
    detector: str = "auto",
    parser: str = "auto",
    number: int = 0,
    device: str = "auto",
    settings: Settings | None = None,
) -> np.ndarray:
    """The map of a face in a photograph, to be edited and drawn.

    Args:
        image: as for `Restorer.restore`.
        detector: a registry name, a path, or `auto`.
        parser: a parsing network: a registry name, a path, `none`, or `auto`: the best on this machine. Without one the
            map is sketched from landmarks and colours, see `faces.masks.maps.sketch_map`.
        number: the number of the face, as `gpen detect` counts them.
        device: `auto`, or a torch device.
        settings: how faces are found; only the group `find` counts.

    Returns:
        512 x 512 uint8, the classes of `tasks.maps`.

    Raises:
        ModelNotFoundError: a model is not on this machine.
        ImageError: the picture cannot be read, or has no face of this number.
    """
    require_between("number", number, 0, 10_000)
    move = on_device(select_device(device))
    pixels, _ = open_picture(image)
    finder = load_detector(detector).module
    move(finder)
    found = find_faces(pixels, finder, settings or Settings(), indices=str(number), template="ffhq")
    if not len(found.selected):
        raise ImageError(f"There is no face {number} in the picture; `gpen detect` shows the faces and their numbers.")
    faces = found.selected
    if parser == "none" or (parser == "auto" and not has_parser()):
        landmarker = choose_landmarker()[0].module
        move(landmarker)
        faces = find_landmarks68(landmarker, pixels, faces)
        crops, alignments = align_faces(pixels, faces, MAP_SIDE, "ffhq")
        return sketch_map(integer_array(crops, np.dtype(np.uint8)), crop_landmarks(alignments, MAP_SIDE)[0])
    network = load_parser(parser).module
    move(network)
    crops, _ = align_faces(pixels, faces, MAP_SIDE, "ffhq")
    return parsed_maps(network, crops)[0]


def legend() -> np.ndarray:
    """The colours of a map and what they mean, H x W x 3 uint8."""
    sheet = new_sheet(_WIDTH, _LINE * len(COLOURS) + 8)
    for row, (name, colour) in enumerate(COLOURS.items()):
        top = 4 + row * _LINE
        sheet.paste(colour, (6, top + 2, 46, top + _LINE - 2))
        side = _SIDES.get(name[:2], "") if name not in _NAMES else ""
        text = _NAMES.get(name, side + name.removeprefix("l_").removeprefix("r_"))
        write_line(sheet, 56, top + 5, f"{row}  {text}  {colour}", size=13, room=_WIDTH - 60)
    return np.asarray(sheet)


def _labels(given: Any) -> np.ndarray:
    if isinstance(given, np.ndarray) and given.ndim == 2:
        labels = labels_of(given)
    elif isinstance(given, np.ndarray):
        labels = labels_of(given[..., :3] if given.ndim == 3 and given.shape[2] == 4 else given)
    else:
        labels = labels_of(integer_array(open_picture(given)[0], np.dtype(np.uint8)))
    if labels.shape[0] != labels.shape[1]:
        raise ImageError(
            f"The map has {labels.shape[1]} x {labels.shape[0]} pixels, and must be square, with the face in FFHQ's "
            "framing; `gpen draw --map-of` makes one from a photograph."
        )
    return labels

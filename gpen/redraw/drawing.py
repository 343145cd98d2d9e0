"""Draw a face from a map of its parts, and make such maps and their legend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from ..backends import Network
from ..checks import require_between
from ..devices import Placement, on_device, select_device
from ..errors import ImageError
from ..faces.align import align_faces
from ..faces.landmarks import Landmarker, find_landmarks68
from ..faces.masks.maps import parsed_maps, sketch_map
from ..faces.masks.parsing import FaceParser
from ..faces.masks.parts import crop_landmarks
from ..images import from_array, open_picture
from ..images.samples import integer_array
from ..models import LoadedModel, choose_landmarker, has_parser, load_detector, load_generator, load_parser
from ..progress import Progress, each, silent
from ..restore import restore_crops
from ..settings import Settings
from ..sheets import new_sheet, write_line
from ..stages import find_faces
from ..tasks import DRAWING, require_task
from ..tasks.maps import COLOURS, colour_of, labels_of
from ..types import Faces

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
    generator = load_generator(model, device=place, task=DRAWING.name)
    return integer_array(draw_maps([labels], generator, on_device(place), progress=progress), np.dtype(np.uint8))


def draw_maps(
    maps: Sequence[np.ndarray], generator: LoadedModel[Network], place: Placement, *, progress: Progress = silent
) -> torch.Tensor:
    """`draw_face` of several maps with a network that is loaded already.

    Args:
        maps: H x W uint8 each, the classes of `tasks.maps`; square.
        generator: for drawing.
        place: its placement.
        progress: as for `draw_face`.

    Returns:
        N x 3 x S x S in 0..1 on the CPU.

    Raises:
        ImageError: a map is not square.
        SettingsError: the generator is for another task.
    """
    require_task(generator.name, generator.task, DRAWING.name)
    size = generator.module.config.size
    laid = [cv2.resize(_square(labels), (size, size), interpolation=cv2.INTER_NEAREST_EXACT) for labels in maps]
    return restore_crops(
        generator.module,
        torch.cat([from_array(colour_of(one)) for one in laid]),
        task=DRAWING,
        colour="keep",
        place=place,
        progress=progress,
    )


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
    network = None if parser == "none" or (parser == "auto" and not has_parser()) else load_parser(parser).module
    return map_faces(pixels, found.selected, network or choose_landmarker()[0].module, move)[0]


def map_faces(
    images: torch.Tensor,
    faces: Faces,
    network: FaceParser | Landmarker,
    place: Placement,
    *,
    progress: Progress = silent,
) -> np.ndarray:
    """The maps of faces that are found already.

    Args:
        images: B x 3 x H x W in 0..1, on the CPU.
        faces: found in them.
        network: a parsing network; or one for 68 landmarks, from which the maps are sketched.
        place: its placement.
        progress: called regularly; an exception it raises ends the work.

    Returns:
        N x 512 x 512 uint8, the classes of `tasks.maps`.
    """
    place(network)
    if isinstance(network, FaceParser):
        crops, _ = align_faces(images, faces, MAP_SIDE, "ffhq")
        return parsed_maps(network, crops, progress=partial(progress, "map"))
    faces = find_landmarks68(network, images, faces, partial(progress, "landmarks"))
    crops, alignments = align_faces(images, faces, MAP_SIDE, "ffhq")
    maps = np.zeros((len(crops), MAP_SIDE, MAP_SIDE), np.uint8)
    for index, _ in each(range(len(crops)), partial(progress, "map")):
        points = crop_landmarks(alignments[index : index + 1], MAP_SIDE)[0]
        maps[index] = sketch_map(integer_array(crops[index : index + 1], np.dtype(np.uint8)), points)
    return maps


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
        return _square(labels_of(given))
    if isinstance(given, np.ndarray):
        return _square(labels_of(given[..., :3] if given.ndim == 3 and given.shape[2] == 4 else given))
    return _square(labels_of(integer_array(open_picture(given)[0], np.dtype(np.uint8))))


def _square(labels: np.ndarray) -> np.ndarray:
    if labels.shape[0] != labels.shape[1]:
        raise ImageError(
            f"The map has {labels.shape[1]} x {labels.shape[0]} pixels, and must be square, with the face in FFHQ's "
            "framing; `gpen draw --map-of` makes one from a photograph."
        )
    return labels

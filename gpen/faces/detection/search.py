"""Run the detector's network on all tiles of a picture, or on the surroundings of one head."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...devices import is_out_of_memory, release_memory
from ...errors import GPENError
from ...progress import Steps, no_steps
from ...types import Size
from .boxes import box_iou, nms
from .candidates import SAME_FACE_IOU, Candidates, quarter_of, uprightness
from .detector import FaceDetector
from .retinaface import anchors, decode_boxes, decode_landmarks
from .tiles import Pyramid, Tile, halves, plan_tiles

# Maximum pixels per pass of the network, over all images of a batch.
PASS_PIXELS = 2_000_000
# For a second, rotated search of a head: the width of its box for the network, and the surroundings in sizes of the
# box.
TURNED_SEEN, TURNED_REACH = 80, 1.5

Cut = Callable[[Tile, int, int], Tensor]
"""Returns a tile of the images from one index to another (exclusive) as the network sees it."""


def search(
    images: Tensor,
    detector: FaceDetector,
    *,
    turns: tuple[int, ...],
    threshold: float,
    min_face_size: float,
    progress: Steps = no_steps,
) -> Iterator[tuple[int, list[Candidates]]]:
    """Run the network over all tiles.

    Args:
        images: B x 3 x H x W in 0..1.
        detector: the detector, already on its device.
        turns: quarter turns to search each tile with.
        threshold: minimum confidence of a candidate.
        min_face_size: see `plan_tiles`.
        progress: called with (done, total) after each pass of the network.

    Yields:
        The index of the first image of a pass, and the candidates on each of its images.

    Raises:
        GPENError: there is not enough memory for even a small tile.
    """
    size = (images.shape[2], images.shape[3])
    tiles = plan_tiles(size, min_face_size)
    stacks = [max(PASS_PIXELS // (tile.seen[0] * tile.seen[1]), 1) for tile in tiles]
    # A window of images at a time, since the pyramid keeps a reduced copy of each; it holds whole passes of the
    # coarsest tile.
    step = max(stacks)
    jobs = [
        (window, tile, first, min(first + stack, window + step, len(images)))
        for window in range(0, len(images), step)
        for tile, stack in zip(tiles, stacks, strict=True)
        for first in range(window, min(window + step, len(images)), stack)
    ]
    pyramid, of_window = Pyramid(images[:step]), 0

    def cut(tile: Tile, first: int, last: int) -> Tensor:
        return pyramid.cut(tile, first - of_window, last - of_window)

    for done, (window, tile, first, last) in enumerate(jobs):
        if window != of_window:
            pyramid, of_window = Pyramid(images[window : window + step]), window
        for number, turn in enumerate(turns, start=done * len(turns) + 1):
            yield from _look(detector, cut, tile, first, last, turn=turn, size=size, threshold=threshold)
            progress(number, len(jobs) * len(turns))


def search_turned(
    image: Tensor, detector: FaceDetector, box: Tensor, quarter: int, *, threshold: float
) -> Candidates | None:
    """Search the surroundings of a box again, rotated upright by quarter turns.

    Args:
        image: 3 x H x W in 0..1.
        detector: the detector, already on its device.
        box: 4, in the image's pixels.
        quarter: clockwise quarter turns of the head.
        threshold: minimum confidence of a candidate.

    Returns:
        The head, or None if there is none with this orientation.

    Raises:
        GPENError: there is not enough memory for the surroundings.
    """
    height, width = image.shape[1:]
    x0, y0, x1, y1 = box.tolist()
    reach = TURNED_REACH * max(x1 - x0, y1 - y0)
    # A power of two, as tiles need it.
    scale = 2.0 ** round(math.log2(TURNED_SEEN / max(x1 - x0, y1 - y0)))
    left, top = max(math.floor((x0 + x1) / 2 - reach), 0), max(math.floor((y0 + y1) / 2 - reach), 0)
    right, bottom = min(math.ceil((x0 + x1) / 2 + reach), width), min(math.ceil((y0 + y1) / 2 + reach), height)
    passes = _look(
        detector,
        lambda tile, *_: tile.cut(image[None]),
        Tile(left, top, right, bottom, scale),
        0,
        1,
        turn=quarter,
        size=(height, width),
        threshold=threshold,
    )
    found = Candidates.join([part for _, parts in passes for part in parts])
    same = (box_iou(box[None], found.boxes)[0] > SAME_FACE_IOU) & (quarter_of(found.landmarks) == quarter)
    found = found[same.nonzero()[:, 0]]
    return found[found.scores.argmax()[None]] if len(found.scores) else None


def _look(
    detector: FaceDetector, cut: Cut, tile: Tile, first: int, last: int, *, turn: int, size: Size, threshold: float
) -> list[tuple[int, list[Candidates]]]:
    """Run the network on a tile in one pass, or in several smaller ones if memory runs out."""
    device = next(detector.parameters()).device
    try:
        shown = cut(tile, first, last).to(device, torch.float32)
        outputs = [output.cpu() for output in detector(shown.rot90(turn, (2, 3)))]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        middle = (first + last) // 2
        smaller = [(tile, first, middle), (tile, middle, last)] if middle > first else []
        smaller = smaller or [(half, first, last) for half in halves(tile)]
        if not smaller:
            raise GPENError(
                f"There is not enough memory on {device} to search for faces; free some memory or run on the CPU."
            ) from error
    else:
        parts = zip(*outputs, strict=True)
        return [(first, [_on_image(*part, tile=tile, turn=turn, size=size, threshold=threshold) for part in parts])]
    # Here and not in the handler: while an exception is handled, its frames keep the memory allocated.
    release_memory()
    return [
        found for less in smaller for found in _look(detector, cut, *less, turn=turn, size=size, threshold=threshold)
    ]


def _on_image(
    scores: Tensor,
    box_regressions: Tensor,
    landmark_regressions: Tensor,
    *,
    tile: Tile,
    turn: int,
    size: tuple[int, int],
    threshold: float,
) -> Candidates:
    """Decode the outputs for one image and one rotated tile to candidates in the image's pixels."""
    height, width = tile.seen if turn % 2 == 0 else tile.seen[::-1]
    chosen = (scores >= threshold).nonzero()[:, 0]
    at = anchors(height, width)[chosen]
    boxes = decode_boxes(box_regressions[chosen], at)
    landmarks = decode_landmarks(landmark_regressions[chosen], at)
    upright = uprightness(landmarks)
    corners = _turn_back(boxes.view(-1, 2, 2), turn, height, width)
    boxes = torch.cat([corners.amin(1), corners.amax(1)], dim=1)
    landmarks = _turn_back(landmarks, turn, height, width)
    whole = tile.holds(boxes, size).nonzero()[:, 0]
    whole = whole[nms(boxes[whole], scores[chosen][whole], SAME_FACE_IOU)]
    start = torch.tensor([tile.x0, tile.y0], dtype=torch.float32)
    return Candidates(
        boxes[whole] / tile.scale + start.repeat(2),
        scores[chosen][whole],
        landmarks[whole] / tile.scale + start,
        upright[whole],
        boxes[whole, 2] - boxes[whole, 0],
        torch.zeros(len(whole), dtype=torch.bool),
    )


def _turn_back(points: Tensor, turn: int, height: int, width: int) -> Tensor:
    """Map points N x K x 2 of a tile rotated by `rot90` (size height x width) back to the tile itself."""
    x, y = points.unbind(-1)
    turned = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))[turn]
    return torch.stack(turned, dim=-1)

"""The whole chain, with plain pictures between its blocks."""

from __future__ import annotations

from PIL import Image

from .drawing import grid
from .graph import BLUE, GREEN, Graph
from .template import EXAMPLE, Pictures, Template

_NOTE = (
    "## The whole chain, block by block\n"
    "Find the faces, cut them out, restore them, put them back. Crops are plain images: any other node (an upscaler, "
    "a sampler, another restorer) may sit between **Align** and **Paste**, even one that changes their size.\n\n"
    "*strength* of **Restore Faces** mixes the network's answer with the crop."
)
# The head and the box that is drawn around its face.
_FOUND = (83, 0, 363, 280)


def _build(graph: Graph) -> None:
    graph.note((20, -190), (860, 150), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (300, 340), image=EXAMPLE)
    detector = graph.add("GPENLoadFaceDetector", (40, 470), (300, 90))
    model = graph.add("GPENLoadModel", (40, 600), (300, 150))
    detect = graph.add(
        "GPENDetectFaces",
        (420, 60),
        (320, 290),
        image=photo["IMAGE"],
        face_detector=detector["face_detector"],
    )
    graph.add("PreviewImage", (420, 530), (320, 320), "Found", images=detect["preview"])
    align = graph.add(
        "GPENAlignFaces",
        (820, 60),
        (320, 170),
        image=photo["IMAGE"],
        faces=detect["faces"],
        gpen_model=model["gpen_model"],
    )
    graph.add("PreviewImage", (820, 530), (320, 320), "Crops", images=align["crops"])
    restore = graph.add(
        "GPENRestoreFaces",
        (1220, 60),
        (320, 420),
        gpen_model=model["gpen_model"],
        crops=align["crops"],
    )
    graph.add("PreviewImage", (1220, 530), (320, 320), "Restored crops", images=restore["crops"])
    paste = graph.add(
        "GPENPasteFaces",
        (1620, 60),
        (320, 260),
        image=photo["IMAGE"],
        crops=restore["crops"],
        alignment=align["alignment"],
    )
    graph.add(
        "SaveImage",
        (2020, 60),
        (420, 790),
        "The restored photograph",
        images=paste["image"],
        filename_prefix="gpen/blocks",
    )
    mask = graph.add("MaskToImage", (1620, 380), (320, 60), mask=paste["mask"])
    graph.add("PreviewImage", (1620, 500), (320, 350), "Where it was changed", images=mask["IMAGE"])
    graph.group("1  Photograph and models", (20, -20, 340, 890), GREEN)
    for column, title in enumerate(("2  Find", "3  Cut out", "4  Restore", "5  Put back"), 1):
        graph.group(title, (400 * column, -20, 360, 890), BLUE)
    graph.group("6  Result", (2000, -20, 460, 890), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    return grid(
        [
            pictures["GPENDetectFaces", "preview"][0].crop(_FOUND),
            pictures["GPENAlignFaces", "crops"][0],
            pictures["GPENRestoreFaces", "crops"][0],
            pictures["GPENPasteFaces", "image"][0].crop(_FOUND),
        ]
    )


TEMPLATE = Template("Block by block", _build, _thumbnail)

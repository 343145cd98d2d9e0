"""The frames of a film in one batch."""

from __future__ import annotations

from PIL import Image

from .drawing import grid
from .graph import BLUE, GREEN, Graph
from .template import EXAMPLE, Pictures, Template

_NOTE = (
    "## A batch of frames\n"
    "The faces of all frames go through the network together; the batch keeps its length and size, and frames without "
    "a face stay as they are.\n\n"
    "The first group makes four grainy frames of the example. For a film, put **Load Video** and **Get Video "
    "Components** there, and **Create Video** and **Save Video** at the end."
)


def _build(graph: Graph) -> None:
    graph.note((20, -190), (860, 150), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (320, 340), image=EXAMPLE)
    repeated = graph.add("RepeatImageBatch", (400, 60), (300, 60), image=photo["IMAGE"], amount=4)
    frames = graph.add("ImageAddNoise", (400, 170), (300, 110), image=repeated["IMAGE"], seed=7, strength=0.04)
    model = graph.add("GPENLoadModel", (780, 60), (320, 150))
    detector = graph.add("GPENLoadFaceDetector", (780, 250), (320, 90))
    preset = graph.add("GPENPreset", (780, 390), (320, 90))
    restore = graph.add(
        "GPENFaceRestore",
        (1160, 60),
        (320, 420),
        image=frames["IMAGE"],
        gpen_model=model["gpen_model"],
        face_detector=detector["face_detector"],
        preset=preset["preset"],
    )
    graph.add("PreviewImage", (1160, 530), (320, 310), "Faces of all frames", images=restore["after"])
    graph.add(
        "SaveAnimatedWEBP",
        (1560, 60),
        (600, 770),
        "The restored frames",
        images=restore["image"],
        filename_prefix="gpen/frames",
        fps=4.0,
        lossless=False,
        quality=90,
    )
    graph.group("1  Frames", (20, -20, 700, 870), GREEN)
    graph.group("2  Restore", (760, -20, 740, 870), BLUE)
    graph.group("3  Result", (1540, -20, 640, 870), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    return grid(pictures["GPENFaceRestore", "after"])


TEMPLATE = Template("A batch of frames", _build, _thumbnail)

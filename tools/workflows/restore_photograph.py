"""The first thing a new user runs."""

from __future__ import annotations

from PIL import Image

from .drawing import split
from .graph import BLUE, GREEN, PURPLE, Graph
from .template import EXAMPLE, HEAD, Pictures, Template

_NOTE = (
    "## Restore a photograph\n"
    "Press **Run**: the faces of the example are restored, the rest of the picture stays as it is, pixel for pixel. "
    "Then choose your own picture in **Load Image**.\n\n"
    "The bundled model is small, a preview. In **GPEN Load Model** choose *gpen-bfr-512* for GPEN's own; it is "
    "downloaded on the first run (284 MB, non-commercial)."
)


def _build(graph: Graph) -> None:
    graph.note((20, -180), (860, 140), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (320, 390), image=EXAMPLE)
    model = graph.add("GPENLoadModel", (420, 60), (320, 150))
    detector = graph.add("GPENLoadFaceDetector", (420, 250), (320, 90))
    preset = graph.add("GPENPreset", (420, 390), (320, 90))
    restore = graph.add(
        "GPENFaceRestore",
        (820, 60),
        (320, 420),
        image=photo["IMAGE"],
        gpen_model=model["gpen_model"],
        face_detector=detector["face_detector"],
        preset=preset["preset"],
    )
    graph.add(
        "SaveImage",
        (1220, 60),
        (420, 690),
        "The restored photograph",
        images=restore["image"],
        filename_prefix="gpen/restored",
    )
    graph.add("PreviewImage", (1700, 60), (320, 310), "Faces before", images=restore["before"])
    graph.add("PreviewImage", (1700, 440), (320, 310), "Faces after", images=restore["after"])
    graph.add("PreviewAny", (820, 540), (320, 210), "What was found and done", source=restore["report"])
    graph.group("1  Your photograph", (20, -20, 360, 790), GREEN)
    graph.group("2  Models and settings", (400, -20, 360, 790), PURPLE)
    graph.group("3  Restore", (800, -20, 360, 790), BLUE)
    graph.group("4  Result", (1200, -20, 840, 790), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    before, after = pictures["LoadImage", "IMAGE"][0], pictures["GPENFaceRestore", "image"][0]
    return split(before.crop(HEAD), after.crop(HEAD))


TEMPLATE = Template("Restore a photograph", _build, _thumbnail)

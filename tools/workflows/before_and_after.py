"""A photograph and its restoration under a slider, where this ComfyUI has one."""

from __future__ import annotations

from PIL import Image

from .drawing import add_knob, split
from .graph import BLUE, GREEN, Graph
from .template import EXAMPLE, Pictures, Template

_NOTE = (
    "## Compare before and after\n"
    "The photograph and its restoration, side by side and under a slider.\n\n"
    "**Compare Images** belongs to newer versions of ComfyUI and shows its slider with *Nodes 2.0* (switch it on in "
    "the menu). Where the node is missing, delete it: the previews show the same."
)


def _build(graph: Graph) -> None:
    graph.note((20, -190), (860, 150), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (320, 360), image=EXAMPLE)
    model = graph.add("GPENLoadModel", (40, 490), (320, 150))
    detector = graph.add("GPENLoadFaceDetector", (40, 690), (320, 90))
    restore = graph.add(
        "GPENFaceRestore",
        (420, 60),
        (320, 420),
        image=photo["IMAGE"],
        gpen_model=model["gpen_model"],
        face_detector=detector["face_detector"],
    )
    graph.add("PreviewImage", (820, 60), (340, 330), "Before", images=restore["before"])
    graph.add("PreviewImage", (820, 450), (340, 320), "After", images=restore["after"])
    graph.add(
        "ImageCompare",
        (1220, 60),
        (480, 710),
        "The picture, before and after",
        image_a=photo["IMAGE"],
        image_b=restore["image"],
    )
    graph.add(
        "ImageCompare",
        (1740, 60),
        (480, 710),
        "The face, before and after",
        image_a=restore["before"],
        image_b=restore["after"],
    )
    graph.group("1  Photograph and models", (20, -20, 360, 810), GREEN)
    graph.group("2  Restore", (400, -20, 360, 810), BLUE)
    graph.group("3  Compare", (800, -20, 1440, 810), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    sheet = split(pictures["GPENFaceRestore", "before"][0], pictures["GPENFaceRestore", "after"][0])
    add_knob(sheet)
    return sheet


TEMPLATE = Template("Compare before and after", _build, _thumbnail)

"""Two presets on the same photograph."""

from __future__ import annotations

from PIL import Image

from .drawing import columns
from .graph import BLUE, GREEN, Graph
from .template import EXAMPLE, Pictures, Template

_NOTE = (
    "## Compare two presets\n"
    "The same photograph restored twice, with two presets; both blocks share one model. Choose the presets in the "
    "middle. The last picture shows the face before, with A and with B."
)
_PRESETS = ("natural", "strong")


def _build(graph: Graph) -> None:
    graph.note((20, -170), (860, 130), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (320, 360), image=EXAMPLE)
    model = graph.add("GPENLoadModel", (40, 520), (320, 150))
    detector = graph.add("GPENLoadFaceDetector", (40, 720), (320, 90))
    tops = {"A": 60, "B": 690}
    presets = [
        graph.add("GPENPreset", (440, top), (320, 90), f"Preset {letter}", preset=name)
        for (letter, top), name in zip(tops.items(), _PRESETS, strict=True)
    ]
    first, second = (
        graph.add(
            "GPENFaceRestore",
            (440, top + 140),
            (320, 420),
            f"Restore with {letter}",
            image=photo["IMAGE"],
            gpen_model=model["gpen_model"],
            face_detector=detector["face_detector"],
            preset=preset["preset"],
        )
        for (letter, top), preset in zip(tops.items(), presets, strict=True)
    )
    graph.add("PreviewImage", (840, 60), (480, 560), "A", images=first["image"])
    graph.add("PreviewImage", (840, 690), (480, 560), "B", images=second["image"])
    restored = graph.add(
        "ImageStitch",
        (1380, 690),
        (320, 160),
        "Faces side by side: A, B",
        image1=first["after"],
        image2=second["after"],
        spacing_width=4,
    )
    row = graph.add(
        "ImageStitch",
        (1380, 920),
        (320, 160),
        "Faces side by side: before, A, B",
        image1=first["before"],
        image2=restored["IMAGE"],
        match_image_size=False,
        spacing_width=4,
    )
    graph.add("PreviewImage", (1380, 60), (760, 560), "Faces: before, A, B", images=row["IMAGE"])
    graph.group("1  Photograph and models", (20, -20, 360, 1290), GREEN)
    graph.group("2  Restore twice", (420, -20, 360, 1290), BLUE)
    graph.group("3  Compare", (820, -20, 1340, 1290), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    first, second = "Restore with A", "Restore with B"
    faces = [pictures[first, "before"][0], pictures[first, "after"][0], pictures[second, "after"][0]]
    return columns(faces, ("before", *_PRESETS))


TEMPLATE = Template("Compare two presets", _build, _thumbnail)

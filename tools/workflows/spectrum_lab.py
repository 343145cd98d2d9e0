"""The whole chain with all that shapes detail, and its spectrum before and after."""

from __future__ import annotations

from PIL import Image

from .drawing import grid
from .graph import BLUE, GREEN, PURPLE, Graph, Output
from .template import EXAMPLE, Pictures, Template

_NOTE = (
    "## Spectrum lab\n"
    "What a restoration adds, in figures. **Frequency Blend** keeps what the photograph truly shows and takes from the "
    "network only what is finer; **Local Adaptive Enhance** raises weak detail, away from edges and noise.\n\n"
    "Below, the face before and after: in the spectra coarse detail is in the middle, fine at the edges, and a dashed "
    "ring marks where a picture's own detail ends. In the chart (*image*: after, *reference*: before) a dot does. The "
    "example is noisy: what its curve has more of at the right end is grain, which goes. Change a gain, run again, "
    "and compare."
)
# The plane of a spectrum without its axes.
_PLANE = (122, 35, 769, 682)


def _build(graph: Graph) -> None:
    graph.note((20, -220), (1160, 180), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (320, 370), image=EXAMPLE)
    detector = graph.add("GPENLoadFaceDetector", (40, 490), (320, 90))
    model = graph.add("GPENLoadModel", (40, 640), (320, 150))
    detect = graph.add(
        "GPENDetectFaces",
        (440, 60),
        (320, 290),
        image=photo["IMAGE"],
        face_detector=detector["face_detector"],
    )
    prepare = graph.add(
        "GPENPrepareImage",
        (440, 410),
        (320, 210),
        image=photo["IMAGE"],
        faces=detect["faces"],
    )
    graph.add("PreviewAny", (440, 680), (320, 260), "What preparing found", source=prepare["report"])
    align = graph.add(
        "GPENAlignFaces",
        (840, 60),
        (320, 170),
        image=prepare["image"],
        faces=detect["faces"],
        gpen_model=model["gpen_model"],
    )
    restore = graph.add(
        "GPENRestoreFaces",
        (840, 290),
        (320, 420),
        gpen_model=model["gpen_model"],
        crops=align["crops"],
    )
    blend = graph.add(
        "GPENFrequencyBlend",
        (1240, 60),
        (320, 470),
        base=align["crops"],
        detail=restore["crops"],
        alignment=align["alignment"],
    )
    enhance = graph.add(
        "GPENLocalAdaptiveEnhance",
        (1240, 600),
        (320, 260),
        crops=blend["image"],
        alignment=align["alignment"],
    )
    paste = graph.add(
        "GPENPasteFaces",
        (1640, 60),
        (320, 260),
        image=prepare["image"],
        crops=enhance["crops"],
        alignment=align["alignment"],
    )
    finish = graph.add(
        "GPENFinish",
        (1640, 380),
        (320, 200),
        image=paste["image"],
        reference=prepare["image"],
        mask=paste["mask"],
    )
    graph.add("MaskPreview", (1640, 640), (320, 300), "Where detail was raised", mask=enhance["gain"])
    graph.add(
        "SaveImage",
        (2040, 60),
        (480, 520),
        "The restored photograph",
        images=finish["image"],
        filename_prefix="gpen/spectrum",
    )
    graph.add("PreviewImage", (2040, 640), (230, 300), "Face before", images=align["crops"])
    graph.add("PreviewImage", (2290, 640), (230, 300), "Face after", images=enhance["crops"])
    _measure(graph, enhance["crops"], align["crops"])
    graph.group("1  Photograph and models", (20, -20, 360, 980), GREEN)
    graph.group("2  Find and prepare", (420, -20, 360, 980), BLUE)
    graph.group("3  Cut out and restore", (820, -20, 360, 980), BLUE)
    graph.group("4  Shape the detail", (1220, -20, 360, 980), PURPLE)
    graph.group("5  Put back and finish", (1620, -20, 360, 980), BLUE)
    graph.group("6  Result", (2020, -20, 520, 980), GREEN)
    graph.group("7  Measure", (20, 980, 2520, 640), GREEN)


def _measure(graph: Graph, after: Output, before: Output) -> None:
    spectrum = graph.add("GPENFrequencySpectrum", (40, 1060), (320, 160), image=after, reference=before)
    first, second = (
        graph.add(
            "ImageFromBatch",
            (40, top),
            (320, 100),
            f"Spectrum {when}",
            image=spectrum["spectrum"],
            batch_index=index,
        )
        for index, (when, top) in enumerate((("after", 1430), ("before", 1280)))
    )
    graph.add("PreviewImage", (400, 1060), (500, 540), "Before: how much of which fineness", images=second["IMAGE"])
    graph.add("PreviewImage", (930, 1060), (500, 540), "After", images=first["IMAGE"])
    graph.add("PreviewImage", (1460, 1060), (660, 540), "Power over frequency", images=spectrum["chart"])
    graph.add("PreviewAny", (2150, 1060), (370, 540), "All the numbers", source=spectrum["report"])


def _thumbnail(pictures: Pictures) -> Image.Image:
    crops = pictures["GPENAlignFaces", "crops"][0], pictures["GPENLocalAdaptiveEnhance", "crops"][0]
    after, before = pictures["GPENFrequencySpectrum", "spectrum"]
    return grid([*crops, before.crop(_PLANE), after.crop(_PLANE)])


TEMPLATE = Template("Spectrum lab", _build, _thumbnail)

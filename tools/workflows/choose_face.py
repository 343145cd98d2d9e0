"""One face of several, chosen by a click."""

from __future__ import annotations

from PIL import Image

from .drawing import stack
from .graph import BLUE, GREEN, Graph
from .template import EXAMPLE, Pictures, Template

_NOTE = (
    "## Choose a face in a crowd\n"
    "Press **Run**, then click faces in **GPEN Select Faces**: green ones are restored, red ones stay as they are. "
    "Run again. *indices* says the same in words: `0,2-4`; empty is all.\n\n"
    "The first group makes a little crowd of the example; put your own picture there with **Load Image** alone."
)
# Wide enough for two of the three faces.
_SHOWN = (144, 0, 912, 384)


def _build(graph: Graph) -> None:
    graph.note((20, -190), (860, 150), _NOTE)
    photo = graph.add("LoadImage", (40, 60), (280, 340), image=EXAMPLE)
    mirrored = graph.add(
        "ImageFlip",
        (40, 460),
        (280, 70),
        image=photo["IMAGE"],
        flip_method="y-axis: horizontally",
    )
    pair = graph.add("ImageStitch", (360, 60), (280, 160), image1=photo["IMAGE"], image2=mirrored["IMAGE"])
    crowd = graph.add("ImageStitch", (360, 290), (280, 160), image1=pair["IMAGE"], image2=photo["IMAGE"])
    detector = graph.add("GPENLoadFaceDetector", (720, 60), (300, 90))
    detect = graph.add(
        "GPENDetectFaces",
        (720, 210),
        (300, 290),
        image=crowd["IMAGE"],
        face_detector=detector["face_detector"],
    )
    select = graph.add(
        "GPENSelectFaces",
        (1060, 60),
        (640, 480),
        faces=detect["faces"],
        image=crowd["IMAGE"],
        order="left_to_right",
        indices="1",
    )
    model = graph.add("GPENLoadModel", (40, 680), (280, 150))
    align = graph.add(
        "GPENAlignFaces",
        (40, 880),
        (280, 170),
        image=crowd["IMAGE"],
        faces=select["selected"],
        gpen_model=model["gpen_model"],
    )
    restore = graph.add(
        "GPENRestoreFaces",
        (360, 680),
        (280, 420),
        gpen_model=model["gpen_model"],
        crops=align["crops"],
    )
    paste = graph.add(
        "GPENPasteFaces",
        (680, 680),
        (300, 260),
        image=crowd["IMAGE"],
        crops=restore["crops"],
        alignment=align["alignment"],
    )
    graph.add(
        "SaveImage",
        (1060, 680),
        (640, 420),
        "The chosen face restored",
        images=paste["image"],
        filename_prefix="gpen/chosen",
    )
    graph.group("1  A picture with several faces", (20, -20, 640, 600), GREEN)
    graph.group("2  Find and choose: click the faces", (700, -20, 1020, 600), BLUE)
    graph.group("3  Restore the chosen ones", (20, 600, 980, 520), BLUE)
    graph.group("4  Result", (1040, 600, 680, 520), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    chosen, restored = pictures["GPENSelectFaces", "preview"][0], pictures["GPENPasteFaces", "image"][0]
    return stack(chosen.crop(_SHOWN), restored.crop(_SHOWN))


TEMPLATE = Template("Choose a face in a crowd", _build, _thumbnail)

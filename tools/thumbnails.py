"""Runs the workflow templates in a ComfyUI and draws their thumbnails, example_workflows/*.jpg.

    python tools/thumbnails.py http://127.0.0.1:8188 "Restore a photograph"

Without names it draws all of them; then tools/chinese_templates.py copies them. A new template needs an entry in
`DRAWINGS`. No thumbnail has words, so that both languages share it. Where a template asks for a diffusion model, an
example picture stands in for what it would make.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from comfyui_client import Client
from PIL import Image, ImageDraw, ImageFont
from queued import to_prompt, with_every_picture, without_sampling
from workflow_faults import SAMPLED
from workflows import ROOT, read

FOLDER = ROOT / "example_workflows"
# The page fetches the thumbnails of all templates at once.
MOST_BYTES = 58_000
BEST_QUALITY = 88
SIZE = 400

Pictures = Mapping[tuple[str, str], list[Image.Image]]
"""What a run gave: (a node's title, or its type where it has none; the output's name) to pictures."""

# Places in the examples and in what is made of them: left, top, right, bottom.
_HEAD = (103, 0, 343, 240)
_HEAD_AS_IN_A_MAP = (127, 5, 327, 205)
_HEAD_AND_BOX = (83, 0, 363, 280)
_HEAD_AT_THE_RIGHT = (43, 0, 303, 260)
_TWO_IN_THE_SNAPSHOT = (230, 110, 790, 670)
_TWO_IN_THE_PRINT = (220, 160, 800, 740)
_FOUR_IN_THE_GROUP = (60, 100, 700, 740)
_WALL = (416, 0, 1440, 1024)
_HOOD = (184, 210, 444, 470)
_SPECTRUM_WITHOUT_AXES = (122, 35, 769, 682)


def run(client: Client, name: str) -> Pictures:
    """Every picture that a node of the template gives.

    Raises:
        RuntimeError: ComfyUI refused it, or a node failed.
    """
    info = client.get("/object_info")
    workflow = read(FOLDER / f"{name}.json")
    prompt, shown = with_every_picture(without_sampling(to_prompt(workflow, info), SAMPLED), info)
    done = client.run(prompt)
    if done.status != "success":
        raise RuntimeError(f"{name}: {done.status}. {done.error}")
    titles = {str(node["id"]): node.get("title", node["type"]) for node in workflow["nodes"]}
    return {
        (titles[node], output): [Image.fromarray(picture) for picture in client.pictures(done, preview)]
        for preview, (node, output) in shown.items()
    }


def jpeg(picture: Image.Image) -> bytes:
    """The picture in the best quality that keeps within the limit."""
    quality = BEST_QUALITY
    while True:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MOST_BYTES:
            return file.getvalue()
        quality -= 4


def resized(picture: Image.Image, size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def split(before: Image.Image, after: Image.Image, *, knob: bool = False) -> Image.Image:
    """The left half of one picture beside the right half of another, with the knob of a slider between them."""
    half = SIZE // 2
    sheet = resized(before)
    sheet.paste(resized(after).crop((half, 0, SIZE, SIZE)), (half, 0))
    draw = ImageDraw.Draw(sheet)
    draw.line((half, 0, half, SIZE), fill="white", width=3)
    if knob:
        draw.ellipse((half - 16, half - 16, half + 16, half + 16), fill="white")
        for side in (-1, 1):
            tip, base = half + side * 10, half + side * 3
            draw.polygon([(tip, half), (base, half - 6), (base, half + 6)], fill="#333")
    return sheet


def grid(pictures: Sequence[Image.Image]) -> Image.Image:
    """Four pictures in two rows."""
    sheet, step = Image.new("RGB", (SIZE, SIZE), "#18181c"), SIZE // 2
    for index, picture in enumerate(pictures):
        row, column = divmod(index, 2)
        sheet.paste(resized(picture, (step - 2, step - 2)), (column * step + 1, row * step + 1))
    return sheet


def columns(pictures: Sequence[Image.Image], letters: Sequence[str]) -> Image.Image:
    """The middle of each picture as one upright strip, with a letter at its foot."""
    sheet, step = Image.new("RGB", (SIZE, SIZE), "white"), SIZE // len(pictures)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(26)
    left = (SIZE - step) // 2
    for index, (picture, letter) in enumerate(zip(pictures, letters, strict=True)):
        start, middle = index * (step + 1), index * (step + 1) + step // 2
        sheet.paste(resized(picture).crop((left, 0, left + step - 1, SIZE)), (start, 0))
        if letter:
            draw.ellipse((middle - 20, SIZE - 48, middle + 20, SIZE - 8), fill="black")
            draw.text((middle, SIZE - 28), letter, font=font, fill="white", anchor="mm")
    return sheet


def pointed_at(picture: Image.Image, tip: tuple[int, int]) -> Image.Image:
    """A picture with a mouse's pointer."""
    sheet = resized(picture)
    shape = ((0, 0), (0, 46), (11, 37), (19, 55), (28, 51), (20, 34), (34, 33))
    places = [(tip[0] + x, tip[1] + y) for x, y in shape]
    ImageDraw.Draw(sheet).polygon(places, fill="white", outline="black", width=2)
    return sheet


def under_a_lens(picture: Image.Image, face: Image.Image, place: tuple[int, int, int, int]) -> Image.Image:
    """A picture with one place of it, in pixels of the thumbnail, drawn large in a lens at its foot."""
    sheet, radius = resized(picture), 128
    centre = (SIZE - radius - 12, SIZE - radius - 12)
    draw = ImageDraw.Draw(sheet)
    for corner in ((place[0], place[3]), (place[2], place[1])):
        draw.line((*corner, *centre), fill="white", width=3)
    draw.rectangle(place, outline="white", width=3)
    mask = Image.new("L", (2 * radius, 2 * radius))
    ImageDraw.Draw(mask).ellipse((0, 0, 2 * radius - 1, 2 * radius - 1), fill=255)
    corner = (centre[0] - radius, centre[1] - radius)
    sheet.paste(resized(face, (2 * radius, 2 * radius)), corner, mask)
    draw.ellipse((*corner, centre[0] + radius, centre[1] + radius), outline="white", width=5)
    return sheet


def dropped(before: Image.Image, after: Image.Image) -> Image.Image:
    """A small print that falls onto the restored picture, with an arrow."""
    sheet, side = resized(after), 150
    card = Image.new("RGBA", (side + 20, side + 20), "white")
    card.paste(resized(before, (side, side)), (10, 10))
    card = card.rotate(8, Image.Resampling.BICUBIC, expand=True)
    sheet.paste(card, (8, 4), card)
    x, y = 96, 212
    arrow = (
        (x - 13, y),
        (x + 13, y),
        (x + 13, y + 44),
        (x + 34, y + 44),
        (x, y + 86),
        (x - 34, y + 44),
        (x - 13, y + 44),
    )
    ImageDraw.Draw(sheet).polygon(arrow, fill="white", outline="#333", width=3)
    return sheet


def grown(before: Image.Image, after: Image.Image) -> Image.Image:
    """A picture, small, in front of what it became."""
    sheet, side = resized(after), SIZE // 3
    sheet.paste("white", (8, SIZE - side - 16, side + 16, SIZE - 8))
    sheet.paste(resized(before, (side, side)), (12, SIZE - side - 12))
    return sheet


def film(pictures: Sequence[Image.Image]) -> Image.Image:
    """Four pictures on two strips of film."""
    sheet, band, frame = Image.new("RGB", (SIZE, SIZE), "#101014"), SIZE // 2, 152
    draw = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, 2)
        top = row * band
        left = (SIZE // 2 - frame) // 2 + column * SIZE // 2
        sheet.paste(resized(picture, (frame, frame)), (left, top + (band - frame) // 2))
        for hole in range(5):
            x = column * SIZE // 2 + 10 + hole * 40
            for y in (top + 4, top + band - 18):
                draw.rounded_rectangle((x, y, x + 20, y + 13), 4, fill="#e8e8e8")
    return sheet


def out_of_noise(picture: Image.Image) -> Image.Image:
    """A picture that comes out of noise, from left to right."""
    coarse = np.random.default_rng(3).normal(128, 70, (SIZE // 8, SIZE // 8, 3))
    noise = np.kron(coarse, np.ones((8, 8, 1))).clip(0, 255)
    done = ((np.linspace(-0.25, 1.1, SIZE)[None, :, None] - 0.25) / 0.4).clip(0, 1)
    return Image.fromarray((noise * (1 - done) + np.asarray(resized(picture)) * done).astype(np.uint8))


def _spectrum_lab(pictures: Pictures) -> Image.Image:
    crops = pictures["GPENAlignFaces", "crops"][0], pictures["GPENLocalAdaptiveEnhance", "crops"][0]
    names = ("reference_spectrum", "image_spectrum")
    before, after = (pictures["GPENFrequencySpectrum", name][0].crop(_SPECTRUM_WITHOUT_AXES) for name in names)
    return grid([*crops, before, after])


def _two_presets(pictures: Pictures) -> Image.Image:
    first, second = "Restore with A", "Restore with B"
    # The third face from the left, which is the second by size.
    faces = [pictures[first, "before"][1], pictures[first, "after"][1], pictures[second, "after"][1]]
    return columns(faces, ("", "A", "B"))


def _small_face(pictures: Pictures) -> Image.Image:
    picture = pictures["GPENPasteFaces", "image"][0].crop(_WALL)
    return under_a_lens(picture, pictures["GPENRestoreFaces", "crops"][0], (104, 74, 138, 116))


def _video(pictures: Pictures) -> Image.Image:
    before, after = (pictures["GPENRestoreVideo", name][:2] for name in ("before", "after"))
    return film([before[0], after[0], before[1], after[1]])


DRAWINGS: dict[str, Callable[[Pictures], Image.Image]] = {
    "Restore a photograph": lambda made: split(
        made["LoadImage", "IMAGE"][0].crop(_TWO_IN_THE_SNAPSHOT),
        made["GPENFaceRestore", "image"][0].crop(_TWO_IN_THE_SNAPSHOT),
    ),
    "Drop a photograph, get it back": lambda made: dropped(
        made["Your photograph", "IMAGE"][0].crop(_HEAD), made["Restore the faces", "image"][0].crop(_HEAD_AT_THE_RIGHT)
    ),
    "Compare before and after": lambda made: split(
        made["GPENFaceRestore", "before"][0], made["GPENFaceRestore", "after"][0], knob=True
    ),
    "Restore an old print": lambda made: split(
        made["The print", "IMAGE"][0].crop(_TWO_IN_THE_PRINT),
        made["GPENFaceRestore", "image"][0].crop(_TWO_IN_THE_PRINT),
    ),
    "Enlarge a photograph": lambda made: grown(
        made["LoadImage", "IMAGE"][0].crop(_TWO_IN_THE_SNAPSHOT),
        made["GPENFaceRestore", "image"][0].resize(made["LoadImage", "IMAGE"][0].size).crop(_TWO_IN_THE_SNAPSHOT),
    ),
    "Colour an old photograph": lambda made: split(
        made["The print", "IMAGE"][0].crop(_TWO_IN_THE_PRINT), made["GPENColorize", "image"][0].crop(_TWO_IN_THE_PRINT)
    ),
    "Fill in scratches": lambda made: split(
        made["The print", "IMAGE"][0].crop(_TWO_IN_THE_PRINT), made["GPENInpaint", "image"][0].crop(_TWO_IN_THE_PRINT)
    ),
    "Draw a face from a map": lambda made: split(made["GPENFaceMap", "map"][0], made["GPENDrawFace", "image"][0]),
    "Choose a face in a crowd": lambda made: pointed_at(
        made["GPENSelectFaces", "preview"][0].crop(_FOUR_IN_THE_GROUP), (228, 118)
    ),
    "A small face in a large picture": _small_face,
    "Compare two presets": _two_presets,
    "Set everything yourself": lambda made: split(
        made["LoadImage", "IMAGE"][0], made["GPENFaceRestore", "image"][0], knob=True
    ),
    "After a diffusion sampler": lambda made: out_of_noise(made["GPENFaceRestore", "image"][0].crop(_HOOD)),
    "Restore a video": _video,
    "A batch of frames": lambda made: film(made["GPENFaceRestore", "after"]),
    "Block by block": lambda made: grid(
        [
            made["GPENDetectFaces", "preview"][0].crop(_HEAD_AND_BOX),
            made["GPENAlignFaces", "crops"][0],
            made["GPENRestoreFaces", "crops"][0],
            made["GPENPasteFaces", "image"][0].crop(_HEAD_AND_BOX),
        ]
    ),
    "Spectrum lab": _spectrum_lab,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws example_workflows/*.jpg.")
    parser.add_argument("url", help="of a running ComfyUI with this package, such as http://127.0.0.1:8188")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(DRAWINGS)}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(DRAWINGS)
    if unknown:
        parser.error(f"there is no drawing of {', '.join(sorted(unknown))}; there are {', '.join(DRAWINGS)}")
    client = Client(arguments.url)
    for name in arguments.names or DRAWINGS:
        (FOLDER / f"{name}.jpg").write_bytes(jpeg(DRAWINGS[name](run(client, name))))


if __name__ == "__main__":
    main()

"""Runs the workflow templates in a ComfyUI and draws their thumbnails, example_workflows/*.jpg.

    python tools/thumbnails.py http://127.0.0.1:8188 "Restore a photograph"

Without names it draws all of them. A new template needs an entry in `DRAWINGS`. Where a template asks for a diffusion
model, the example picture stands in for what it would make.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from comfyui_client import Client
from PIL import Image, ImageDraw, ImageFont
from queued import to_prompt, with_every_picture, without_sampling
from workflow_faults import EXAMPLE
from workflows import ROOT, read

FOLDER = ROOT / "example_workflows"
# The page fetches the thumbnails of all templates at once.
MOST_BYTES = 58_000
BEST_QUALITY = 88
SIZE = 400

Pictures = Mapping[tuple[str, str], list[Image.Image]]
"""What a run gave: (a node's title, or its type where it has none; the output's name) to pictures."""

# Places in the example and in what is made of it: left, top, right, bottom.
_HEAD = (103, 0, 343, 240)
_HEAD_AND_BOX = (83, 0, 363, 280)
_TWO_OF_THE_CROWD = (144, 0, 912, 384)
_SPECTRUM_WITHOUT_AXES = (122, 35, 769, 682)


def run(client: Client, name: str) -> Pictures:
    """Every picture that a node of the template gives.

    Raises:
        RuntimeError: ComfyUI refused it, or a node failed.
    """
    info = client.get("/object_info")
    workflow = read(FOLDER / f"{name}.json")
    prompt, shown = with_every_picture(without_sampling(to_prompt(workflow, info), EXAMPLE), info)
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


def stack(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Two wide pictures above each other."""
    sheet, half = Image.new("RGB", (SIZE, SIZE)), SIZE // 2
    sheet.paste(resized(upper, (SIZE, half - 1)), (0, 0))
    sheet.paste(resized(lower, (SIZE, half - 1)), (0, half + 1))
    return sheet


def columns(pictures: Sequence[Image.Image], words: Sequence[str]) -> Image.Image:
    """The middle of each picture as one upright strip, with a word at its foot."""
    sheet, step = Image.new("RGB", (SIZE, SIZE), "white"), SIZE // len(pictures)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    left = (SIZE - step) // 2
    for index, (picture, word) in enumerate(zip(pictures, words, strict=True)):
        start = index * (step + 1)
        sheet.paste(resized(picture).crop((left, 0, left + step - 1, SIZE)), (start, 0))
        place = (start + 10, SIZE - 30)
        box = draw.textbbox(place, word, font=font)
        draw.rectangle((box[0] - 5, box[1] - 4, box[2] + 5, box[3] + 4), fill="black")
        draw.text(place, word, font=font, fill="white")
    return sheet


def out_of_noise(picture: Image.Image) -> Image.Image:
    """A picture that comes out of noise, from left to right."""
    coarse = np.random.default_rng(3).normal(128, 70, (SIZE // 8, SIZE // 8, 3))
    noise = np.kron(coarse, np.ones((8, 8, 1))).clip(0, 255)
    done = ((np.linspace(-0.25, 1.1, SIZE)[None, :, None] - 0.25) / 0.4).clip(0, 1)
    return Image.fromarray((noise * (1 - done) + np.asarray(resized(picture)) * done).astype(np.uint8))


def _spectrum_lab(pictures: Pictures) -> Image.Image:
    crops = pictures["GPENAlignFaces", "crops"][0], pictures["GPENLocalAdaptiveEnhance", "crops"][0]
    after, before = (each.crop(_SPECTRUM_WITHOUT_AXES) for each in pictures["GPENFrequencySpectrum", "spectrum"])
    return grid([*crops, before, after])


def _two_presets(pictures: Pictures) -> Image.Image:
    first, second = "Restore with A", "Restore with B"
    faces = [pictures[first, "before"][0], pictures[first, "after"][0], pictures[second, "after"][0]]
    return columns(faces, ("before", "natural", "strong"))


DRAWINGS: dict[str, Callable[[Pictures], Image.Image]] = {
    "A batch of frames": lambda made: grid(made["GPENFaceRestore", "after"]),
    "After a diffusion sampler": lambda made: out_of_noise(made["GPENFaceRestore", "image"][0].crop(_HEAD)),
    "Block by block": lambda made: grid(
        [
            made["GPENDetectFaces", "preview"][0].crop(_HEAD_AND_BOX),
            made["GPENAlignFaces", "crops"][0],
            made["GPENRestoreFaces", "crops"][0],
            made["GPENPasteFaces", "image"][0].crop(_HEAD_AND_BOX),
        ]
    ),
    "Choose a face in a crowd": lambda made: stack(
        made["GPENSelectFaces", "preview"][0].crop(_TWO_OF_THE_CROWD),
        made["GPENPasteFaces", "image"][0].crop(_TWO_OF_THE_CROWD),
    ),
    "Compare before and after": lambda made: split(
        made["GPENFaceRestore", "before"][0], made["GPENFaceRestore", "after"][0], knob=True
    ),
    "Compare two presets": _two_presets,
    "Restore a photograph": lambda made: split(
        made["LoadImage", "IMAGE"][0].crop(_HEAD), made["GPENFaceRestore", "image"][0].crop(_HEAD)
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

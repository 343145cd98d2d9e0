"""Whole pictures through the chain, with the time of each stage and the peak of memory.

python benchmarks/pictures.py JOB    # one job, as JSON; each is a process of its own, for its peak
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apart import apart

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[1]
_PORTRAIT = ROOT / "examples" / "portrait.png"
# Height and width of 24 megapixels; the portrait is enlarged to its width.
_LARGE = (6000, 4000)
_FRAMES = 32
_COUNTS = (1, 2, 4, 8, 16, 28)  # as many as fit
_MEGAPIXELS = (1, 3, 6, 12, 24, 48)
# In the place of a number format: the network as its authors wrote it, in fp32, one face a pass.
_PUBLISHED = "published"


def measure(photograph: Path | None) -> dict[str, Any]:
    """The jobs with the bundled network and the official shape of 512, and two curves with the bundled one."""
    jobs: list[dict[str, Any]] = []
    for model in ("bundled", "512"):
        for precision in (_PUBLISHED, "fp32", "bf16") if model == "512" else ("fp32",):
            for job in ("portrait", "frames", *(("photograph",) if photograph else ())):
                if model == "512" and job == "frames" and precision != "bf16":
                    continue  # says what the photograph says
                jobs.append(_apart(job, model, precision, photograph))
    curves = {
        "faces": [_apart(f"faces-{count}", "bundled", "fp32") for count in _COUNTS],
        "megapixels": [_apart(f"pixels-{count}", "bundled", "fp32") for count in _MEGAPIXELS],
    }
    return {"jobs": jobs, "curves": curves}


def _apart(job: str, model: str, precision: str, photograph: Path | None = None) -> dict[str, Any]:
    chosen = ("--photograph", photograph) if photograph else ()
    done = apart(__file__, job, "--model", model, "--precision", precision, *chosen)
    row = {"job": job, "model": model, "precision": precision, **done}
    print(row, flush=True)
    return row


def main() -> None:
    """One job."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("job")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--photograph", type=Path)
    options = parser.parse_args()

    import torch
    from networks import official_tensors
    from published import PublishedGenerator
    from safetensors.torch import save_file

    from gpen_blocks.gpen.devices import on_device
    from gpen_blocks.gpen.models import load_detector, load_generator
    from gpen_blocks.gpen.pipeline import restore_batch
    from gpen_blocks.gpen.stages import Networks

    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as folder:
        name = "gpen-lite-256"
        if options.model != "bundled":
            name = str(Path(folder) / f"gpen-{options.model}.safetensors")
            save_file(official_tensors(int(options.model)), name)
        if options.precision == _PUBLISHED:
            loaded = load_generator(name, "fp32", "eager", device)
            generator = replace(loaded, module=PublishedGenerator(loaded.module), backend="published arithmetic")
        else:
            generator = load_generator(name, options.precision, "auto", device)
    detector = load_detector("face-detector-lite")
    images, reading = _job(options.job, options.photograph)
    batch_size = 1 if options.precision == _PUBLISHED else 0
    networks = Networks(generator, detector, place=on_device(device))
    restore = partial(restore_batch, images, networks, batch_size=batch_size)
    done = restore()  # warms
    rounds = []
    for _ in range(3 if options.model == "bundled" else 1):
        start = time.perf_counter()
        seconds = restore().seconds
        rounds.append({"total": time.perf_counter() - start, **seconds})
    best = min(rounds, key=lambda seconds: seconds["total"])
    stages = {stage: round(seconds, 3) for stage, seconds in best.items() if stage != "total"}
    height, width = images.shape[-2:]
    result = {
        "backend": generator.backend,
        "images": len(images),
        "megapixels": round(height * width / 1e6, 2),
        "faces": len(done.faces),
        "read": round(reading, 3),
        "total": round(best["total"], 3),
        "stages": stages,
        "write": _write(done.images[:1]),
        "peak": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(result))


def _job(name: str, photograph: Path | None) -> tuple[torch.Tensor, float]:
    """The images of a job, and the seconds it took to read the file where there is one."""
    import torch

    from gpen_blocks.gpen.images import read_picture

    path = photograph if name == "photograph" and photograph else _PORTRAIT
    start = time.perf_counter()
    image = read_picture(path).pixels
    seconds = time.perf_counter() - start
    kind, _, number = name.partition("-")
    if kind == "frames":
        return torch.cat([image.roll(4 * frame, 3) for frame in range(_FRAMES)]), seconds
    if kind == "faces":
        return _crowd(image, int(number)), seconds
    if kind == "pixels":
        side = int((int(number) * 1e6) ** 0.5)
        return _on_ground(image, (side, side), image.shape[-1]), seconds
    if kind == "portrait":
        return _on_ground(image, _LARGE, _LARGE[1]), seconds
    return image, seconds


def _on_ground(portrait: torch.Tensor, size: tuple[int, int], side: int) -> torch.Tensor:
    """The portrait with a side, in the middle of a plain picture."""
    import torch
    import torch.nn.functional as F

    large = F.interpolate(portrait, (side, side), mode="bicubic", align_corners=False).clamp(0, 1)
    image = torch.full((1, 3, *size), 0.5)
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    image[:, :, top : top + side, left : left + side] = large
    return image


def _crowd(portrait: torch.Tensor, count: int) -> torch.Tensor:
    """So many portraits in rows on a picture that is always of the same size."""
    import torch

    image = torch.full((1, 3, 2400, 3600), 0.5)
    side = portrait.shape[-1]
    columns = 3600 // side
    for index in range(count):
        top, left = index // columns * side, index % columns * side
        image[:, :, top : top + side, left : left + side] = portrait
    return image


def _write(image: torch.Tensor) -> dict[str, float]:
    """Seconds to write a picture, by suffix."""
    from gpen_blocks.gpen.images import Picture, write_picture

    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".jpg", ".png"):
            start = time.perf_counter()
            write_picture(Picture(image), Path(folder) / f"result{suffix}")
            seconds[suffix] = round(time.perf_counter() - start, 3)
    return seconds


if __name__ == "__main__":
    main()

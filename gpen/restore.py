"""Run aligned crops through the generator: value ranges, sizes, chunks and memory."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from .backends import Network, expect
from .checks import all_finite, require_between, require_images
from .choices import Colour
from .devices import Placement, free_memory, in_pieces, on_device, select_device, wait_for
from .errors import ImageError, SettingsError
from .pixels.tone import colour_rule, judge_tone, keep_tones
from .progress import Progress, Steps, Viewer, silent
from .tasks import RESTORATION, Task

# Memory limit of one chunk on devices whose free memory is unknown, and on the CPU, where larger chunks are not faster
# and would take seconds in which nobody can interrupt.
_UNKNOWN_BUDGET, _CPU_BUDGET = 1 << 29, 1 << 27
# Share of the free memory that one chunk may use; the rest is for cuDNN's workspaces and other programs.
_SHARE = 0.5


def restore_crops(
    generator: Network,
    crops: torch.Tensor,
    *,
    task: Task = RESTORATION,
    strength: float = 1.0,
    keep_grayscale: bool = True,
    colour: Colour | str = "auto",
    batch_size: int = 0,
    announced: bool = False,
    place: Placement | None = None,
    progress: Progress = silent,
) -> torch.Tensor:
    """Restore aligned face crops, in chunks that fit into memory.

    Args:
        generator: from `load_generator` or `build_generator`.
        crops: B x 3 x H x W in 0..1, aligned to the template of the generator, and resampled to its size if different.
        task: the task of the generator, which defines the input of the network and the use of its output.
        strength: 0 returns the (resampled) crops, 1 the network's output, values between them a mix.
        keep_grayscale: keep crops black and white, or toned in one colour, if they are.
        colour: `keep` or `grey` to skip that judgement, see `pixels.tone.Colour`.
        batch_size: faces per forward pass; 0: as many as memory allows.
        announced: whether the caller has told the network the number of faces, see `backends.expect`.
        place: placement of the network; by default the best available device.
        progress: called after each chunk; an exception it raises ends the work. A `Viewer` receives the faces of the
            chunk first.

    Returns:
        B x 3 x S x S in 0..1 on the device of `crops`; S is the size of the generator.

    Raises:
        ImageError: `crops` has a wrong shape or contains NaN.
        GPENError: there is not enough memory for even one face.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.models import load_generator
        >>> from gpen_blocks.gpen.restore import restore_crops
        >>> generator = load_generator("gpen-lite-256").module
        >>> restore_crops(generator, torch.full((1, 3, 512, 512), 0.5)).shape  # resampled to the generator's size
        torch.Size([1, 3, 256, 256])
    """
    require_images(crops, "Crops")
    require_between("strength", strength, 0, 1)
    if batch_size < 0:
        raise SettingsError(f"batch_size is {batch_size}, and must be 0 (automatic) or more.")
    rule = colour_rule(colour, keep_grayscale)
    size = generator.config.size
    if not all_finite(crops):
        raise ImageError("The crops contain NaN or infinity; correct the previous step, such as a node.")
    base = _resample(crops, size, partial(progress, "restore"))
    idle = strength == 0 or len(crops) == 0
    if not announced:
        expect(generator, faces=0 if idle else len(base))
    if idle:
        return base
    device = (place or on_device(select_device()))(generator)
    chunk = batch_size or automatic_batch_size(generator, device)
    # Copies from pinned memory run in parallel with the computation, in queue order.
    overlap = device.type == "cuda" and base.device.type == "cpu"
    restored = torch.empty_like(base, pin_memory=overlap)

    def run(first: int, last: int) -> None:
        piece = base[first:last]
        with torch.inference_mode():
            shown = (piece.pin_memory() if overlap else piece).to(device, non_blocking=overlap)
            result = task.result(generator(task.feed(shown)), shown)
            restored[first:last].copy_(result, non_blocking=overlap)
        if rule != "keep":
            wait_for(device)
            tones = [judge_tone(crop) for crop in piece.split(1)]
            restored[first:last] = keep_tones(restored[first:last], tones, rule)
        if strength < 1:
            wait_for(device)
            restored[first:last] = torch.lerp(piece, restored[first:last], strength)
        if isinstance(progress, Viewer):
            wait_for(device)
            progress.show(restored[first:last])
        progress("restore", last, len(base))

    in_pieces(
        len(base),
        run,
        most=chunk,
        too_large=f"One face of {size} x {size} does not fit into the memory of {device}; free some, choose a smaller "
        "model or run on the CPU.",
    )
    wait_for(device)
    return restored


def automatic_batch_size(generator: Network, device: torch.device, free: int | None = None) -> int:
    """Number of faces per forward pass that fit on `device`, at least 1.

    Args:
        generator: from `load_generator` or `build_generator`.
        device: device on which it runs.
        free: free bytes, if the caller knows better than the driver (memory reserved by torch counts as free).
    """
    free = free_memory(device) if free is None else free
    budget = _UNKNOWN_BUDGET if free is None else int(free * _SHARE)
    if device.type == "cpu":
        budget = min(budget, _CPU_BUDGET)
    return max(1, budget // generator.activation_bytes())


def _resample(crops: torch.Tensor, size: int, progress: Steps) -> torch.Tensor:
    """Crops in float32 and of this side."""
    if crops.shape[-2:] == (size, size):
        return crops.float()
    resampled = crops.new_empty((len(crops), size, size, 3), dtype=torch.float32).movedim(-1, 1)
    for n, crop in enumerate(crops.split(1)):
        resampled[n : n + 1] = F.interpolate(crop.float(), (size, size), mode="bicubic", antialias=True).clamp(0, 1)
        progress(0, len(crops))
    return resampled

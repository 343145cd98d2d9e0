"""Aligned crops through the generator: ranges, sizes, chunks and memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .backends import Network, expect
from .checks import all_finite, require_between, require_images
from .devices import Placement, free_memory, in_pieces, on_device, select_device, wait_for
from .errors import ImageError
from .pixels.tone import Colour, colour_rule, judge_tone, keep_tones
from .progress import Progress, Viewer, silent
from .tasks import RESTORATION, Task

# The most that one chunk may take on the CPU, where larger ones are no faster, and on devices that do not tell how much
# is free.
_CPU_BUDGET = 1 << 29
# Share of the free memory that one chunk may take; the rest is for cuDNN's workspaces and other people.
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
    place: Placement | None = None,
    progress: Progress = silent,
) -> torch.Tensor:
    """Restore aligned face crops; all of them go through the network together, in chunks that fit the memory.

    Args:
        generator: from `load_generator` or `build_generator`.
        crops: B x 3 x H x W in 0..1, aligned to the template the generator was trained on. Another size than the
            generator's is resampled to it.
        task: what the generator was taught: how crops are shown to it, and how its answer is used.
        strength: 0 gives the (resampled) crops back, 1 the network's answer, between them a mix.
        keep_grayscale: a crop that is black and white, or toned in one colour, stays so.
        colour: `keep` or `grey` where that is not to be judged, see `pixels.tone.Colour`.
        batch_size: faces per forward pass; 0 takes as many as memory allows.
        place: where to run; by default the best device there is.
        progress: called after each chunk; what it raises ends the work. A `Viewer` sees each chunk's faces before.

    Returns:
        B x 3 x S x S in 0..1 with the generator's size S, on the device of `crops`.

    Raises:
        ImageError: `crops` has another shape or holds NaN.
        GPENError: not even one face fits into the device's memory.
    """
    require_images(crops, "Crops")
    require_between("strength", strength, 0, 1)
    rule = colour_rule(colour, keep_grayscale)
    size = generator.config.size
    base = _resample(crops.float(), size)
    if not all_finite(base):
        raise ImageError("The crops hold NaN or infinity, so the network cannot read them; mend the node before.")
    if strength == 0 or len(crops) == 0:
        return base
    device = (place or on_device(select_device()))(generator)
    expect(generator, faces=len(base))
    chunk = batch_size or automatic_batch_size(generator, device)
    # From pinned memory copies run beside the work, in the order in which it was given.
    overlap = device.type == "cuda" and base.device.type == "cpu"
    restored = torch.empty_like(base, pin_memory=overlap)

    def run(first: int, last: int) -> None:
        piece = base[first:last]
        with torch.inference_mode():
            shown = (piece.pin_memory() if overlap else piece).to(device, non_blocking=overlap)
            result = task.use(generator(task.feed(shown)), shown)
            restored[first:last].copy_(result, non_blocking=overlap)
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
    if rule != "keep":
        restored = keep_tones(restored, [judge_tone(base[n : n + 1]) for n in range(len(base))], rule)
    return restored if strength == 1 else torch.lerp(base, restored, strength)


def automatic_batch_size(generator: Network, device: torch.device, free: int | None = None) -> int:
    """How many faces one forward pass may take on `device`, at least 1.

    Args:
        generator: from `load_generator` or `build_generator`.
        device: where it runs.
        free: bytes, where the caller knows better than the driver (memory that torch has set aside is free).
    """
    free = free_memory(device) if free is None else free
    budget = _CPU_BUDGET if free is None else int(free * _SHARE)
    if device.type == "cpu":
        budget = min(budget, _CPU_BUDGET)
    return max(1, budget // generator.activation_bytes())


def _resample(crops: torch.Tensor, size: int) -> torch.Tensor:
    if crops.shape[-2:] == (size, size):
        return crops
    return F.interpolate(crops, (size, size), mode="bicubic", antialias=True).clamp(0, 1)

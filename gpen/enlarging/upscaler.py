"""Networks that enlarge pictures, from files of any architecture that spandrel knows.

spandrel (MIT) is given tensors, never a file: `weights.checkpoint` reads that without executing anything in it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...weights import checkpoint, digest
from ..backends import Precision
from ..devices import Placement, is_out_of_memory, release_memory
from ..errors import CheckpointError, GPENError, MissingPackageError, ModelNotFoundError
from ..pixels.resize import resize
from ..progress import Steps, no_steps
from ..wording import count, pip_install
from .tiles import OVERLAP, padded_to, run_tiled

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

# Side of a tile in pixels of the picture, and the smallest that is tried when memory runs out.
_TILE, _SMALLEST_TILE = 256, 3 * OVERLAP
# Networks with windows need a few of them, also where the picture ends.
_LEAST_SIDE = 32
_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
# Half precision is used if no pixel of the first tile differs by more than this, as a share of the range: two levels.
_SEEN = 2 / 255


@dataclass(eq=False)
class Upscaler:
    """A network that enlarges pictures.

    Attributes:
        name: file name without suffix.
        path: its file.
        sha256: of that file.
        architecture: name of its architecture.
        scale: factor by which it enlarges.
        notes: one sentence for each deviation from what was requested; complete after the first picture.
    """

    name: str
    path: Path
    sha256: str
    architecture: str
    scale: int
    _descriptor: ImageModelDescriptor = field(repr=False)
    _precision: Precision = "fp32"
    notes: list[str] = field(default_factory=list)
    _settled: bool = field(default=False, repr=False)
    _settling: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def module(self) -> torch.nn.Module:
        """The network."""
        return self._descriptor.model

    @property
    def dtype(self) -> torch.dtype:
        """Number format in which it runs, known after the first picture."""
        return next(self.module.parameters()).dtype

    def __call__(self, image: torch.Tensor, place: Placement, *, progress: Steps = no_steps) -> torch.Tensor:
        """Enlarge a picture.

        Args:
            image: 1 x 3 x H x W in 0..1. A grey picture (three equal channels) stays grey.
            place: placement of the network.
            progress: called with (done, total) after each tile; an exception it raises ends the work.

        Returns:
            1 x 3 x (scale * H) x (scale * W) in 0..1 on the device of the image.

        Raises:
            GPENError: there is not enough memory for even a small tile, or the network answers with NaN.
        """
        device = place(self.module)
        extended, (height, width) = padded_to(image.float(), _LEAST_SIDE)
        self._settle(extended[..., :_TILE, :_TILE].to(device))
        side = _TILE
        while True:
            try:
                made = run_tiled(extended, self._runner(device), self.scale, side=side, progress=progress)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if side <= _SMALLEST_TILE:
                    raise GPENError(
                        f"There is not enough memory to enlarge with {self.name}; free some, or choose a smaller "
                        "network or the background lanczos."
                    ) from error
            side = max(side // 2, _SMALLEST_TILE)
            release_memory()
        made = made[..., : self.scale * height, : self.scale * width].clamp_(0, 1)
        if bool((image == image[:, :1]).all()):
            made = made.mean(dim=1, keepdim=True).expand_as(made).contiguous()
        return made

    def _runner(self, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        def run(tile: torch.Tensor) -> torch.Tensor:
            made = self._descriptor(tile.to(device, self.dtype)).float()
            if not torch.isfinite(made).all():
                raise GPENError(
                    f"{self.name} answers with NaN or infinity, so nothing is enlarged; choose another file."
                )
            return made.clone()  # a tensor of inference mode cannot be changed outside of it

        return run

    def _settle(self, tile: torch.Tensor) -> None:
        """Decide about half precision by the first tile of the first picture."""
        with self._settling:
            if self._settled:
                return
            self._settled = True
            wanted = _DTYPES.get(self._precision)
            if wanted is None:
                return
            holds = self._descriptor.supports_half if self._precision == "fp16" else self._descriptor.supports_bfloat16
            why = f"{self.architecture} does not allow it"
            if holds:
                exact, weights = self._descriptor(tile).float(), copy.deepcopy(self.module.state_dict())
                try:
                    self.module.to(wanted)
                    difference = float((self._descriptor(tile.to(wanted)).float() - exact).abs().max())
                    if difference <= _SEEN:  # not so if it is NaN
                        return
                    why = f"it would change a pixel by {255 * difference:.1f} levels"
                except RuntimeError as error:
                    why = f"the device cannot do it: {str(error).splitlines()[0]}"
                self.module.to(torch.float32).load_state_dict(weights)  # what was rounded is not exact again
            self.notes.append(f"{self.name} enlarges in fp32, not {self._precision}: {why}.")


def load_upscaler(path: str | Path, *, precision: Precision = "fp32") -> Upscaler:
    """Load a network that enlarges pictures.

    Args:
        path: a safetensors file or a torch checkpoint, for example of Real-ESRGAN, BSRGAN or SwinIR.
        precision: number format; fp32 is used if another changes the picture visibly.

    Raises:
        MissingPackageError: spandrel is not installed.
        ModelNotFoundError: the file does not exist.
        CheckpointError: it cannot be read, spandrel does not know it, or it does not enlarge colour pictures.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise MissingPackageError(
            f"A network that enlarges needs spandrel ({error}); install it with {pip_install('spandrel')}, or choose "
            "the background lanczos."
        ) from error

    path = Path(path).expanduser()
    if not path.is_file():
        raise ModelNotFoundError(f"There is no file {path}; give the file of a network that enlarges, or lanczos.")
    tensors = checkpoint.read(path).tensors
    try:
        found = ModelLoader("cpu").load_from_state_dict(dict(tensors))
    except UnsupportedModelError as error:
        raise CheckpointError(
            f"{path} is no network that spandrel knows; give a file such as RealESRGAN_x4plus.pth."
        ) from error
    except Exception as error:  # tensors that look like those of a known network and are not raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise CheckpointError(
            f"{path} cannot be built as a network ({reason}); give a file as it was published."
        ) from error
    architecture = found.architecture.name
    if not isinstance(found, ImageModelDescriptor) or found.purpose == "FaceSR" or found.scale < 2:
        raise CheckpointError(
            f"{path} ({architecture}) does not enlarge pictures; give a network for super-resolution, such as "
            "RealESRGAN_x4plus.pth."
        )
    if (found.input_channels, found.output_channels) != (3, 3):
        channels = count(found.input_channels, "channel")
        raise CheckpointError(f"{path} ({architecture}) takes pictures of {channels}; a network for colour is needed.")
    found.model.eval().float().requires_grad_(False)
    return Upscaler(path.stem, path, digest.sha256_of(path), architecture, found.scale, found, precision)


def fit_factor(made: torch.Tensor, image: torch.Tensor, factor: int) -> torch.Tensor:
    """Resize a picture that a network enlarged by another factor."""
    height, width = image.shape[-2:]
    wanted = factor * height, factor * width
    return made if made.shape[-2:] == wanted else resize(made, wanted, "lanczos").clamp_(0, 1)

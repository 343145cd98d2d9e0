"""Face recognition: vectors that are close to each other for the same person."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ...weights import checkpoint, store
from ..errors import MissingPackageError
from .loading import load_strictly

_RECOGNISER = "arcface-ir-se50"
# Rows and columns of a 256 x 256 crop in FFHQ's alignment for ArcFace, and the side of its input (GPEN's
# training/loss/id_loss.py).
_FACE = (slice(35, 223), slice(32, 220))
_FACE_SIDE = 112


class Recogniser(nn.Module):
    """Face recognition network: crops in FFHQ's alignment, B x 3 x S x S in 0..1, to unit vectors B x 512.

    The dot product of two vectors is the similarity of the faces, -1..1.
    """

    title = "identity"

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval().requires_grad_(False)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        crops = F.adaptive_avg_pool2d(crops, (256, 256))
        face = F.adaptive_avg_pool2d(crops[:, :, _FACE[0], _FACE[1]], (_FACE_SIDE, _FACE_SIDE))
        return self.network(face.mul(2).sub(1))


def load_recogniser(device: torch.device) -> Recogniser:
    """facexlib's ArcFace (Deng et al. 2019, IR-SE50).

    Raises:
        ModelNotFoundError: its file is not on this machine.
        CheckpointError: the file belongs to another network.
        MissingPackageError: facexlib is not installed.
    """
    resolved = store.resolve(_RECOGNISER)
    try:
        from facexlib.recognition.arcface_arch import Backbone
    except ImportError as error:
        raise MissingPackageError(
            f"Recognizing faces needs facexlib ({error}); install gpen-blocks[evaluation]."
        ) from None
    network = Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se")
    fault = f"{resolved.path} is not the recognizer ArcFace IR-SE50"
    return Recogniser(load_strictly(network, checkpoint.read(resolved.path).tensors, fault)).to(device)

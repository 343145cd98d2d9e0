"""Face parsing networks: classify the pixels of an aligned crop as skin, hair, background and so on.

Both networks are from facexlib, trained on CelebAMask-HQ; see `parsing_networks.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ...errors import CheckpointError
from ...progress import Steps, each, no_steps
from ..loading import load_strictly
from .parsing_networks import BiSeNet, ParseNet

# Both networks are trained at this side.
PARSING_SIZE = 512

# Class names in the order of the output channels, as facexlib's inference_parsing_parsenet.py and
# inference_parsing.py list them.
PARSENET_CLASSES = (
    *("background", "skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth"),
    *("u_lip", "l_lip", "hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
BISENET_CLASSES = (
    *("background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r", "nose"),
    *("mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat"),
)
# Classes to paste, as in facexlib's face_restoration_helper.py: earrings and hair included; hat, neck and clothes
# stay those of the photograph.
_PASTED = frozenset(PARSENET_CLASSES) - {"background", "hat", "neck_l", "neck", "cloth"}


class FaceParser(nn.Module):
    """A parsing network and its input normalisation.

    Args:
        network: returns class scores, N x 19 x 512 x 512.
        classes: names of the classes, in channel order.
        mean: mean per channel, subtracted from RGB in 0..1.
        deviation: standard deviation per channel, by which the difference is divided.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: tuple[str, ...],
        mean: tuple[float, float, float],
        deviation: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.mean = mean
        self.deviation = deviation
        self.eval().requires_grad_(False)


def build_parser(state_dict: dict[str, torch.Tensor]) -> FaceParser:
    """Build the ParseNet or BiSeNet of a state dict.

    Args:
        state_dict: a flat state dict, as in `parsing_parsenet.pth` and `parsing_bisenet.pth`.

    Raises:
        CheckpointError: the tensors belong to neither.
    """
    if "out_mask_conv.conv2d.weight" in state_dict:
        network = ParseNet(len(PARSENET_CLASSES))
        parser = FaceParser(network, PARSENET_CLASSES, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    elif "conv_out.conv_out.weight" in state_dict:
        network = BiSeNet(len(BISENET_CLASSES))
        parser = FaceParser(network, BISENET_CLASSES, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    else:
        raise CheckpointError("This is no face parsing checkpoint; give parsing_parsenet.pth or parsing_bisenet.pth.")
    load_strictly(network, state_dict, "The face parsing checkpoint does not fit its network")
    return parser


def face_probability(parser: FaceParser, crops: torch.Tensor, *, progress: Steps = no_steps) -> torch.Tensor:
    """Probability that each pixel belongs to the face: skin, features, glasses, ears, earrings or hair.

    Args:
        parser: from `build_parser`.
        crops: N x 3 x H x W in 0..1, aligned.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N x 1 x 512 x 512 in 0..1, on the device of the network.
    """
    weights = next(parser.network.parameters())
    crops = F.interpolate(crops.to(weights), (PARSING_SIZE, PARSING_SIZE), mode="bilinear", antialias=True)
    mean, deviation = (crops.new_tensor(value).view(1, 3, 1, 1) for value in (parser.mean, parser.deviation))
    pasted = [index for index, name in enumerate(parser.classes) if name in _PASTED]
    with torch.inference_mode():
        # One face at a time: the networks need about 100 MB for each.
        shares = [
            parser.network((crop - mean) / deviation).softmax(dim=1)[:, pasted].sum(dim=1, keepdim=True)
            for crop, _ in each(crops.split(1), progress)
        ]
    return torch.cat(shares)

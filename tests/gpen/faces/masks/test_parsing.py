"""Parsing networks: facexlib's real architectures, with random weights."""

import numpy as np
import pytest
import torch
from torch import nn
from trained import trained

from gpen_blocks.gpen.errors import CheckpointError
from gpen_blocks.gpen.faces.masks.parsing import (
    BISENET_CLASSES,
    PARSENET_CLASSES,
    FaceParser,
    build_parser,
    face_probability,
)
from gpen_blocks.gpen.faces.masks.paste_masks import face_masks
from gpen_blocks.gpen.types import Alignment, Face


def reference(name: str) -> nn.Module:
    """facexlib's own network, with what normalisations know after training."""
    torch.manual_seed(0)
    if name == "parsenet":
        from facexlib.parsing.parsenet import ParseNet

        network: nn.Module = ParseNet(in_size=512, out_size=512, parsing_ch=19)
    else:
        from facexlib.parsing.bisenet import BiSeNet

        network = BiSeNet(num_class=19)
    return trained(network)


def fresh(name: str) -> dict[str, torch.Tensor]:
    return reference(name).state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parsenet", "bisenet"])
def test_the_networks_are_those_of_facexlib(name):
    """The published tensors belong to facexlib's code: ours must make of them exactly what it makes."""
    theirs = reference(name)
    ours = build_parser(theirs.state_dict()).network
    picture = torch.randn(2, 3, 128, 96)
    with torch.inference_mode():
        assert torch.equal(ours(picture), theirs(picture)[0])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classes"), [("parsenet", PARSENET_CLASSES), ("bisenet", BISENET_CLASSES)])
def test_a_checkpoint_chooses_its_network(name, classes):
    """Either checkpoint loads strictly, and there is a score for every class."""
    parser = build_parser(fresh(name))
    assert parser.classes == classes
    assert not parser.network.training
    assert parser.network(torch.rand(1, 3, 64, 64)).shape == (1, 19, 64, 64)


def test_probabilities_come_at_the_size_of_parsing():
    probability = face_probability(build_parser(fresh("bisenet")), torch.rand(1, 3, 96, 96))
    assert probability.shape == (1, 1, 512, 512)
    assert 0 <= float(probability.min()) < float(probability.max()) <= 1


def test_both_lists_name_the_same_classes():
    assert len(PARSENET_CLASSES) == len(set(PARSENET_CLASSES)) == 19
    assert set(PARSENET_CLASSES) == set(BISENET_CLASSES)


@pytest.mark.parametrize("spoil", ["foreign", "truncated"])
def test_what_is_not_a_parser_is_refused(spoil):
    if spoil == "foreign":
        state = {"body.weight": torch.zeros(1)}
    else:
        state = fresh("bisenet")
        state.pop("cp.resnet.conv1.weight")
    with pytest.raises(CheckpointError, match="face parsing checkpoint"):
        build_parser(state)


class _DiscIsSkin(nn.Module):
    """Scores as a trained network would give them for a round face, left of the crop's middle."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        y, x = torch.meshgrid(torch.arange(512), torch.arange(512), indexing="ij")
        skin = torch.hypot(x - 200.0, y - 256.0) < 120
        scores = torch.zeros(len(crops), 19, 512, 512)
        scores[:, 0], scores[:, 1] = 20.0 * ~skin, 20.0 * skin
        return scores * self.scale


def test_a_parsed_face_becomes_a_soft_mask():
    """Inside 1, outside 0, a smooth edge between, at any size of the mask."""
    parser = FaceParser(_DiscIsSkin(), PARSENET_CLASSES, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    face = Face((0, 0, 9, 9), 0.9, np.arange(10).reshape(5, 2))
    alignments = (Alignment(np.eye(2, 3), "gpen", 128, (128, 128), face),)
    mask = face_masks(alignments, 128, "parsing", crops=torch.rand(1, 3, 128, 128), parser=parser)[0, 0]
    assert mask.shape == (128, 128)
    assert float(mask[64, 30:70].min()) > 0.99
    assert not mask[64, 100:].any()
    assert float(torch.diff(mask, dim=1).abs().max()) < 0.2

"""The discriminator: named as the authors name it, and able to carry R1."""

import pytest
import torch

from gpen_blocks.gpen.network.config import GeneratorConfig
from gpen_blocks.gpen.network.discriminator import Discriminator, batch_deviation
from gpen_blocks.gpen.training.generator.losses import r1_penalty

CONFIG = GeneratorConfig.from_multipliers(64, 64, 4, 1, 0.125)


def test_tensors_have_the_names_and_shapes_of_the_authors_files():
    """convs.N.conv2 and skip begin with the kernel of their blur; final_linear is two layers."""
    tensors = {name: tuple(value.shape) for name, value in Discriminator(CONFIG).state_dict().items()}
    assert tensors["convs.0.0.weight"] == (32, 3, 1, 1)
    assert tensors["convs.0.1.bias"] == (32,)
    assert tensors["convs.1.conv1.0.weight"] == (32, 32, 3, 3)
    assert tensors["convs.1.conv2.0.kernel"] == (4, 4)
    assert tensors["convs.1.conv2.1.weight"] == (64, 32, 3, 3)
    assert tensors["convs.1.conv2.2.bias"] == (64,)
    assert tensors["convs.1.skip.1.weight"] == (64, 32, 1, 1)
    assert tensors["final_conv.0.weight"] == (64, 65, 3, 3)
    assert tensors["final_linear.0.weight"] == (64, 64 * 16)
    assert tensors["final_linear.1.bias"] == (1,)


def test_the_official_width_has_stylegan2s_parameters():
    """28.9 M at 512 pixels and 29.0 M at 1024, as StyleGAN2's papers and code report."""
    with torch.device("meta"):
        network = Discriminator(GeneratorConfig.from_multipliers(1024))
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(29.0e6, rel=0.002)


def test_scores_one_number_a_face_and_carries_a_gradient_penalty():
    torch.manual_seed(0)
    network = Discriminator(CONFIG)
    faces = torch.randn(8, 3, 64, 64, requires_grad=True)
    scores = network(faces)
    assert scores.shape == (8, 1) and scores.dtype == torch.float32
    r1_penalty(scores, faces).backward()
    gradient = dict(network.named_parameters())["convs.0.0.weight"].grad
    assert gradient is not None and torch.isfinite(gradient).all() and gradient.abs().max() > 0


def test_half_the_width_has_about_a_quarter_of_the_parameters():
    whole, half = (sum(p.numel() for p in Discriminator(CONFIG, width).parameters()) for width in (1, 0.5))
    assert 0.2 < half / whole < 0.4


@pytest.mark.parametrize(("batch", "groups"), [(8, 2), (6, 2), (3, 1), (1, 1)])
def test_faces_that_are_all_alike_deviate_by_nothing(batch, groups):
    same = torch.randn(1, 4, 2, 2).expand(batch, -1, -1, -1)
    assert batch_deviation(same).max() < 1e-3
    different = torch.randn(batch, 4, 2, 2)
    deviation = batch_deviation(different)
    assert deviation.shape == (batch, 1, 2, 2)
    assert len(deviation[:, 0, 0, 0].unique()) == groups

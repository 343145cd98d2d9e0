"""A network that has learnt nothing gives back what it is given."""

import pytest
import torch

from gpen_blocks.gpen.network.config import GeneratorConfig
from gpen_blocks.gpen.network.generator import Generator
from gpen_blocks.gpen.training.generator.identity_start import start_as_identity


@pytest.mark.slow
@pytest.mark.parametrize("narrow", [0.125, 0.5])
def test_the_start_is_the_identity_and_can_learn(narrow):
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig.from_multipliers(64, 32, 2, 1, narrow))
    start_as_identity(generator)
    faces = torch.rand(2, 3, 64, 64) * 2 - 1
    restored = generator(faces)
    torch.testing.assert_close(restored, faces, atol=1e-5, rtol=0)
    (restored - faces.flip(0)).square().mean().backward()
    generator.zero_grad(set_to_none=False)
    for _ in range(2):  # what is painted through comes in with the second step
        with torch.no_grad():
            for parameter in generator.parameters():
                assert parameter.grad is not None
                parameter -= 0.01 * parameter.grad
        generator.zero_grad()
        (generator(faces) - faces.flip(0)).square().mean().backward()
    still = [name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == []

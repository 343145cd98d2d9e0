"""A network between two."""

from __future__ import annotations

import pytest
import torch
from command import run_gpen
from safetensors.torch import save_file

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.network import Generator, GeneratorConfig
from gpen_blocks.gpen.training.generator.interpolate import interpolate
from gpen_blocks.weights import checkpoint


def file_of(path, seed: int, template: str | None = "ffhq", size: int = 16):
    torch.manual_seed(seed)
    tensors = Generator(GeneratorConfig.from_multipliers(size, 8, 1, 1, 0.02)).state_dict()
    metadata = {"template": template, "recipe": f"recipe {seed}"} if template else {}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata)
    return path


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_lies_between(tmp_path, monkeypatch, share):
    first, second = (file_of(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2))
    output = tmp_path / "out" / "between.safetensors"
    run_gpen("models", "interpolate", first, second, share, "-o", output)
    ours, theirs, mean = (checkpoint.read(path) for path in (first, second, output))
    for name, value in mean.tensors.items():
        expected = ours.tensors[name] * (1 - share) + theirs.tensors[name] * share
        torch.testing.assert_close(value.float(), expected.float(), atol=2e-3, rtol=2e-3)
    assert mean.metadata["template"] == "ffhq"
    assert (mean.metadata["recipe_1"], mean.metadata["recipe_2"]) == ("recipe 1", "recipe 2")


def test_what_does_not_go_together_is_refused(tmp_path):
    first = file_of(tmp_path / "1.safetensors", 1)
    output = tmp_path / "between.safetensors"
    for second, share, said in (
        (file_of(tmp_path / "larger.safetensors", 2, size=32), 0.5, "different shapes"),
        (file_of(tmp_path / "other.safetensors", 2, template="gpen"), 0.5, "templates"),
        (file_of(tmp_path / "nameless.safetensors", 2, template=None), 0.5, "templates"),
        (file_of(tmp_path / "2.safetensors", 2), 1.5, "share"),
    ):
        with pytest.raises(SettingsError, match=said):
            interpolate(first, second, share, output)
    assert not output.exists()

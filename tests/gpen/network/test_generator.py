"""The network against the reference implementation's numbers, and what must hold for any weights."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import official_outputs
import pytest
import torch
from safetensors.torch import load_file
from speed import networks
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gpen_blocks.gpen.backends.trial import LARGEST, LARGEST_MEAN, compare
from gpen_blocks.gpen.errors import CheckpointError, ImageError, NotGPENError
from gpen_blocks.gpen.network import Generator, GeneratorConfig, build_generator


def difference(a: Tensor, b: Tensor) -> float:
    return (a.float() - b.float()).abs().max().item()


@pytest.fixture(scope="module")
def network(tiny) -> Generator:
    return build_generator(tiny.state_dict)


def test_tiny_golden(tiny, network):
    assert difference(network(tiny.input), tiny.output) < 1e-5


@pytest.mark.parametrize("size", [256, pytest.param(512, marks=pytest.mark.slow)])
def test_official_shapes_give_the_numbers_they_gave(size: int):
    """Samples of what they gave where the test below passed: for whoever has no ../shared."""
    expected = json.loads(official_outputs.FILE.read_text(encoding="utf-8"))[str(size)]
    found = official_outputs.measured(size)
    for name in expected:
        assert found[name] == pytest.approx(expected[name], abs=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("size", [256, 512])
def test_official_golden(size: int, official_golden: Callable[[int], Any]):
    """The official configurations, fp32 on the CPU; the outputs reach 3."""
    golden = official_golden(size)
    assert difference(build_generator(golden.state_dict)(golden.input), golden.output) < 1e-4


def test_batch_mates_do_not_matter(tiny, network):
    faces = torch.cat([tiny.input, tiny.input.flip(3)])
    together = network(faces)
    alone = torch.cat([network(face[None]) for face in faces])
    assert difference(together, alone) < 1e-5


def test_memory_layout_and_repetition_do_not_matter(tiny, network):
    """Maps are overwritten inside; neither the input nor the weights may be."""
    face = tiny.input.clone()
    first = network(face)
    assert torch.equal(face, tiny.input)
    assert torch.equal(network(face), first)
    assert difference(network(face.contiguous(memory_format=torch.channels_last)), first) < 1e-5


def test_empty_batch(tiny, network):
    assert network(tiny.input[:0]).shape == (0, 3, 64, 64)


@pytest.mark.parametrize(
    "shape, dtype",
    [
        ((1, 3, 32, 32), torch.float32),
        ((1, 3, 64, 32), torch.float32),
        ((1, 1, 64, 64), torch.float32),
        ((3, 64, 64), torch.float32),
        ((1, 3, 64, 64), torch.uint8),
    ],
)
def test_wrong_images_are_refused(network, shape: tuple[int, ...], dtype: torch.dtype):
    with pytest.raises(ImageError, match=r"\(batch, 3, 64, 64\)"):
        network(torch.zeros(shape, dtype=dtype))


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps are computed in the weights' type, although this is a processor."""
    monkeypatch.setattr(Generator, "map_dtype", property(lambda network: network.generator.input.input.dtype))


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("dtype, bound", [(torch.bfloat16, 0.06), (torch.float16, 0.01)])
def test_half_precision_stays_close(tiny, network, dtype: torch.dtype, bound: float):
    """Converted weights, and autocast, for outputs that reach 2; the picture keeps the type it came in."""
    face, expected = tiny.input[:1], tiny.output[:1]
    converted = build_generator(tiny.state_dict).to(dtype)(face.to(dtype))
    assert converted.dtype == dtype
    assert difference(converted, expected) < bound
    with torch.autocast("cpu", dtype):
        automatic = network(face)
    assert automatic.dtype == torch.float32
    assert difference(automatic, expected) < bound


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_set_precision_keeps_the_picture(tiny, dtype: torch.dtype):
    """Vectors stay in float32, and so does the sum of what the levels paint."""
    network = build_generator(tiny.state_dict).set_precision(dtype)
    restored = network(tiny.input)
    assert restored.dtype == torch.float32
    mean, largest = compare(tiny.output, restored)
    assert mean < LARGEST_MEAN and largest < LARGEST
    assert {parameter.dtype for parameter in network.generator.style.parameters()} == {torch.float32}
    assert network.activation_bytes() == build_generator(tiny.state_dict).activation_bytes() // 2


def test_a_processor_computes_a_float16_network_in_float32(tiny):
    """In float16 it takes ten times as long; a network that was loaded for a GPU may come to lie here."""
    network = build_generator(tiny.state_dict).set_precision(torch.float16)
    convolved: set[torch.dtype] = set()

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in (torch.conv2d, torch.conv_transpose2d):
                convolved.update(tensor.dtype for tensor in args[:2])
            return func(*args, **(kwargs or {}))

    with Watch():
        restored = network(tiny.input)
    assert convolved == {torch.float32}
    assert difference(restored, tiny.output) < 0.01
    assert network.generator.input.input.dtype == torch.float16
    assert network.activation_bytes() == build_generator(tiny.state_dict).activation_bytes()


@pytest.mark.usefixtures("as_on_a_gpu")
def test_float16_survives_large_styles(tiny):
    """Demodulation cancels the size of the styles; in float16 it must do so before anything overflows."""
    large = {
        name: value * 3000 if ".conv.modulation." in name and "to_rgb" not in name else value
        for name, value in tiny.state_dict.items()
    }
    network = build_generator(large).half()
    assert difference(network(tiny.input[:1]), tiny.output[:1]) < 1e-2


def test_float16_checkpoint_is_cast_up_and_copied(tiny):
    halves = {name: value.half() for name, value in tiny.state_dict.items()}
    network = build_generator(halves)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    before = network(tiny.input)
    for value in halves.values():
        value.zero_()
    assert torch.equal(network(tiny.input), before)


def test_state_dict_round_trip(tiny, network):
    """What we save loads in the reference: its names, its shapes, the same bits."""
    saved = network.state_dict()
    assert saved.keys() == tiny.state_dict.keys()
    assert all(torch.equal(saved[name], value) for name, value in tiny.state_dict.items())
    assert torch.equal(build_generator(saved)(tiny.input), network(tiny.input))


# Of the names and shapes of the tensors of GPEN-BFR-256.pth, -512, -1024 and -2048, and how many numbers they hold.
OFFICIAL = {
    256: ("2b020661988cbdf1e7f62f8db86f90bff4cbc468fd646a6f696ad1cee364485c", 18_879_010),
    512: ("8eaa01d7851b07d7223507fc834a8762b847501dae88d4d527cd9159005b1078", 71_005_223),
    1024: ("c1212920b57d533a96534e82e482dcc1e2442b5250252d4bcc5625ea3438cc3a", 71_210_540),
    2048: ("20a9e4206d99b8979610d65cf475862bf7392e4dc5f614c2d6b02acebf9b1e77", 71_294_769),
}


@pytest.mark.parametrize("size", OFFICIAL)
def test_official_lists_load_strictly(size: int):
    """A configuration makes the very tensors of the published file, which a network is built of again."""
    with torch.device("meta"):
        tensors = Generator(networks.config(size)).state_dict()
    zeros = {name: torch.zeros(()).expand(value.shape) for name, value in tensors.items()}
    network = build_generator(zeros)
    assert network.state_dict().keys() == zeros.keys()
    digest, count = OFFICIAL[size]
    assert official_outputs.digest({name: value.shape for name, value in zeros.items()}) == digest
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_the_digests_are_those_of_the_published_lists(shared):
    lists = json.loads((shared / "golden" / "official_tensors.json").read_text(encoding="utf-8"))
    found = {
        entry["size"]: (official_outputs.digest(entry["tensors"]), entry["parameters"]) for entry in lists.values()
    }
    assert found == OFFICIAL


def test_bundled_generator_loads():
    path = Path(__file__).parents[3] / "weights" / "bundled" / "gpen-lite-256.safetensors"
    network = build_generator(load_file(path))
    grey = torch.zeros(1, 3, 256, 256)
    assert network.config.size == 256
    assert network(grey).isfinite().all()


@pytest.mark.parametrize("wrapper", ["g_ema", "params_ema", "state_dict"])
def test_nested_and_prefixed_checkpoints_load(tiny, network, wrapper: str):
    nested = {
        wrapper: {f"module.{name}": value for name, value in tiny.state_dict.items()},
        "iteration": 7,
    }
    assert torch.equal(build_generator(nested)(tiny.input), network(tiny.input))


def test_faulty_checkpoints_are_refused_by_name(tiny):
    faulty = dict(tiny.state_dict)
    del faulty["generator.conv1.activate.bias"]
    faulty["extra.weight"] = torch.zeros(1)
    faulty["ecd0.0.1.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError) as caught:
        build_generator(faulty)
    assert not isinstance(caught.value, NotGPENError)
    for part in ("1 missing (generator.conv1.activate.bias)", "1 not GPEN's (extra.weight)"):
        assert part in str(caught.value)
    assert "ecd0.0.1.bias (5,) instead of (32,)" in str(caught.value)


def test_many_faults_are_abridged(tiny):
    without_modulation = {name: value for name, value in tiny.state_dict.items() if "modulation" not in name}
    with pytest.raises(CheckpointError, match=r"28 missing \(([^,]+, ){3}\.\.\.\)"):
        build_generator(without_modulation)


@pytest.mark.slow
def test_building_does_not_import_the_compiler():
    """On the meta device some constructors import it, which would cost every start of the program seconds."""
    script = (
        "import sys, torch\n"
        "from gpen_blocks.gpen.network import Generator, GeneratorConfig, build_generator\n"
        "state_dict = Generator(GeneratorConfig.from_multipliers(64, 64, 4, 1, 0.125)).state_dict()\n"
        "before = set(sys.modules)\n"
        "build_generator(state_dict)\n"
        "new = set(sys.modules) - before\n"
        "sys.exit(any(name.startswith(('torch._dynamo', 'torch.fx', 'sympy')) for name in new))\n"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_built_for_inference(network):
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.slow
def test_compiles_without_graph_breaks(tiny, network):
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    assert difference(compiled(tiny.input), tiny.output) < 1e-5


@pytest.mark.filterwarnings("ignore")  # of the exporter's age
@pytest.mark.parametrize("dynamic", [False, True])
def test_torch_exports_the_network_as_onnx(tiny, network, tmp_path, dynamic: bool):
    """Many programs export a network with torch's older exporter, which knows no maps that are overwritten."""
    runtime = pytest.importorskip("onnxruntime")
    file = tmp_path / "network.onnx"
    axes = {"input": {0: "batch"}, "output": {0: "batch"}} if dynamic else None
    torch.onnx.export(
        network,
        (tiny.input,),
        file,
        dynamo=False,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes=axes,
    )
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for faces in (tiny.input.flip(3), *([tiny.input[:1]] if dynamic else [])):
        (restored,) = session.run(None, {"input": faces.numpy()})
        assert difference(torch.from_numpy(restored), network(faces)) < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_a_traced_network_takes_other_batches(tiny, network):
    traced: Any = torch.jit.trace(network, tiny.input)
    assert difference(traced(tiny.input[:1].flip(3)), network(tiny.input[:1].flip(3))) < 1e-5


@pytest.mark.slow
def test_gradients_agree_with_differences(tiny):
    """Every parameter has a finite gradient, and along a random direction it predicts the loss's change."""
    network = build_generator(tiny.state_dict).train().requires_grad_(True)

    def loss() -> Tensor:
        return (network(tiny.input) - tiny.output.flip(3)).square().mean()

    loss().backward()
    seeded = torch.Generator().manual_seed(0)
    steps, predicted = [], 0.0
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
        steps.append(1e-4 * torch.randn(parameter.shape, generator=seeded) * parameter.abs().mean())
        predicted += (parameter.grad * steps[-1]).sum().item()

    losses = []
    for sign in (1, -2):  # forwards by one step, then back by two
        with torch.no_grad():
            for parameter, step in zip(network.parameters(), steps, strict=True):
                parameter.add_(sign * step)
            losses.append(loss().item())
    assert (losses[0] - losses[1]) / 2 == pytest.approx(predicted, rel=0.02)


@pytest.mark.parametrize("thaw", ["train", "requires_grad", "load_state_dict"])
def test_frozen_demodulation_does_not_outlive_its_weight(tiny, thaw: str):
    network = build_generator(tiny.state_dict)
    changed = {name: 1.1 * value for name, value in tiny.state_dict.items()}
    if thaw == "load_state_dict":
        network.load_state_dict(changed)
    else:
        if thaw == "train":
            network.train().eval()
        else:
            network.requires_grad_(True)
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.mul_(1.1)
    assert difference(network(tiny.input), build_generator(changed)(tiny.input)) < 1e-5


def test_recording_gradients_changes_no_value(tiny, network):
    trained = build_generator(tiny.state_dict).requires_grad_(True)
    assert difference(trained(tiny.input), tiny.output) < 1e-5


def test_new_network_has_the_reference_initialisation():
    """From a configuration alone: weights of unit variance, styles of one, no noise."""
    network = Generator(GeneratorConfig.from_multipliers(64, 64, 4, channel_multiplier=1, narrow=0.125))
    weights = network.state_dict()
    assert weights["generator.convs.0.conv.weight"].std().item() == pytest.approx(1, abs=0.05)
    assert weights["generator.style.1.weight"].std().item() == pytest.approx(100, rel=0.05)
    assert (weights["generator.convs.0.conv.modulation.bias"] == 1).all()
    assert (weights["generator.convs.0.noise.weight"] == 0).all()
    assert network(torch.zeros(1, 3, 64, 64)).isfinite().all()

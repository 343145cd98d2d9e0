"""Checkpoints come from strangers: whole ones are read, others refused in one sentence, none is ever run."""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save, save_file

from gpen_blocks.weights import checkpoint
from gpen_blocks.weights.errors import CheckpointError, WeightsError


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "generator.convs.0.weight": torch.randn(4, 3, generator=generator),
        "ecd0.bias": torch.randn(5, generator=generator).half(),
        "steps": torch.tensor(7),
    }


def torch_bytes(value: object, *, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def assert_same(read: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert read.keys() == expected.keys()
    for name, tensor in expected.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name


@pytest.fixture
def refusal(tmp_path: Path):
    """The sentence that a file of these bytes is refused with."""

    def refuse(content: bytes, name: str = "model.pth") -> str:
        with pytest.raises(CheckpointError) as refusal:
            checkpoint.read(write(tmp_path / name, content))
        sentence = str(refusal.value)
        assert name in sentence and "\n" not in sentence and len(sentence) < 500
        assert "weights_only" not in sentence, "torch's advice to turn the safe loader off must not be passed on"
        return sentence

    return refuse


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors", "modèle 模型.bin"])
@pytest.mark.parametrize("form", ["safetensors", "torch", "old torch"])
def test_every_form_is_read_whatever_the_file_is_called(tmp_path, form, name):
    content = {
        "safetensors": save(tensors()),
        "torch": torch_bytes(tensors()),
        "old torch": torch_bytes(tensors(), old=True),
    }[form]
    assert_same(checkpoint.read(write(tmp_path / name, content)).tensors, tensors())


def test_the_metadata_of_safetensors_is_kept(tmp_path):
    save_file(tensors(), tmp_path / "model.safetensors", metadata={"template": "ffhq"})
    assert checkpoint.read(tmp_path / "model.safetensors").metadata == {"template": "ffhq"}
    assert checkpoint.read_metadata(tmp_path / "model.safetensors") == {"template": "ffhq"}


def test_the_real_detector_is_read(shared):
    """Its names carry the prefix `module.` in the file."""
    content = checkpoint.read(shared / "weights" / "detection_mobilenet0.25_Final.pth")
    assert len(content.tensors) == 300
    assert content.tensors["body.stage1.0.0.weight"].shape == (8, 3, 3, 3)


def ema() -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in tensors().items()}


def parallel(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"module.{name}": tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("nested", "expected"),
    [
        ({"g_ema": ema(), "g": tensors(), "d": tensors(), "g_optim": {"state": {}}}, ema),
        ({"params": tensors(), "params_ema": ema()}, ema),
        ({"params": tensors()}, tensors),
        ({"state_dict": tensors(), "epoch": 3, "best": None, "name": "x"}, tensors),
        ({"model": {"state_dict": {"params_ema": ema()}}}, ema),
        ({"generator": tensors()}, tensors),
        (parallel(tensors()), tensors),
        ({"state_dict": parallel(tensors())}, tensors),
        ({f"module.g_ema.{name}": tensor for name, tensor in ema().items()}, ema),
        ({f"g_ema.{name}": tensor for name, tensor in ema().items()} | {"mean": torch.zeros(1)}, ema),
        ({f"state_dict.{name}": tensor for name, tensor in tensors().items()}, tensors),
        (OrderedDict(tensors()), tensors),
        (tensors() | {"iteration": 3}, tensors),
        ({"g_ema": {}, "params": tensors()}, tensors),
    ],
)
def test_wrappers_are_taken_off(tmp_path, nested, expected):
    assert_same(checkpoint.read(write(tmp_path / "m.pth", torch_bytes(nested))).tensors, expected())


def test_gpens_own_names_are_not_taken_for_a_wrapper(tmp_path):
    """`generator.` begins the names of GPEN's tensors and must stay."""
    state = {"generator.a": torch.zeros(1), "generator.b": torch.zeros(1)}
    assert_same(checkpoint.read(write(tmp_path / "m.pth", torch_bytes(state))).tensors, state)


def test_module_is_taken_off_only_where_all_names_have_it():
    mixed = {"module.a": 1, "b": 2}
    assert checkpoint.unwrap(mixed) == mixed


class Touch:
    """Makes a file when it is unpickled by a loader that runs what it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'echo run > "{self.path}"',)


@pytest.mark.parametrize("form", ["torch", "old torch", "pickle 0", "pickle 2", "pickle 5"])
def test_nothing_in_a_pickle_is_run(tmp_path, refusal, form):
    sentinel = tmp_path / "sentinel"
    hostile = {"g_ema": tensors(), "extra": Touch(sentinel)}
    content = {
        "torch": lambda: torch_bytes(hostile),
        "old torch": lambda: torch_bytes(hostile, old=True),
        "pickle 0": lambda: pickle.dumps({"extra": Touch(sentinel)}, protocol=0),
        "pickle 2": lambda: pickle.dumps({"extra": Touch(sentinel)}, protocol=2),
        "pickle 5": lambda: pickle.dumps({"extra": Touch(sentinel)}, protocol=5),
    }[form]()
    sentence = refusal(content)
    assert not sentinel.exists()
    if "torch" in form:
        assert ".system" in sentence and "nothing in it was executed" in sentence
        # The trap itself works: a loader that trusts files would have run it.
        torch.load(io.BytesIO(content), weights_only=False)
        assert sentinel.exists()


@pytest.mark.parametrize("value", [torch.nn.Linear(2, 2), {"a": torch.zeros(1), "args": argparse.Namespace(size=512)}])
def test_objects_are_refused_by_name(refusal, value):
    assert "contains" in refusal(torch_bytes(value))


@pytest.mark.parametrize("form", ["safetensors", "torch", "old torch"])
def test_a_file_cut_anywhere_is_refused(refusal, form):
    whole = {
        "safetensors": save(tensors()),
        "torch": torch_bytes(tensors()),
        "old torch": torch_bytes({"g_ema": tensors()}, old=True),
    }[form]
    step = max(1, len(whole) // 120)
    for length in sorted({*range(0, len(whole), step), *range(30), *range(len(whole) - 30, len(whole))}):
        refusal(whole[:length], "cut.pth")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["safetensors", "torch", "old torch"])
def test_an_altered_file_is_read_or_refused_but_never_breaks_the_reader(tmp_path, form):
    """One byte changed, at each of many places: whatever torch makes of it, a CheckpointError it is."""
    whole = {
        "safetensors": save(tensors()),
        "torch": torch_bytes(tensors()),
        "old torch": torch_bytes(tensors(), old=True),
    }[form]
    refused = 0
    for position in range(0, len(whole), max(1, len(whole) // 150)):
        altered = bytearray(whole)
        altered[position] ^= 0xFF
        try:
            checkpoint.read(write(tmp_path / "altered.pth", bytes(altered)))
        except CheckpointError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer"),
        (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "is an ONNX file"),
        (b"just some words", "is a text file"),
        (bytes(300), "of an unknown format"),
        (pickle.dumps([1, 2]), "is a Python pickle"),
    ],
)
def test_other_files_are_called_what_they_are(refusal, content, words):
    assert words in refusal(content)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(3), "holds a Tensor"),
        ([torch.zeros(3)], "holds a list"),
        ({}, "holds no tensors"),
        ({"epoch": 3}, "holds no tensors"),
        ({"a": torch.zeros(3), "optimizer": {"lr": 1.0}}, "holds a dict named 'optimizer'"),
        ({"a": torch.zeros(3), "sizes": [1, 2]}, "holds a list named 'sizes'"),
        ({3: torch.zeros(3)}, "holds a Tensor named 3"),
        ({"a": torch.tensor([0.0, float("nan")])}, "NaN or infinity"),
        ({"a": torch.tensor([float("-inf")]).bfloat16()}, "NaN or infinity"),
        ({"a": torch.zeros(3, device="meta")}, "plain tensors are needed"),
        ({"a": torch.zeros(1).expand(10**12)}, "larger than its file"),
    ],
)
def test_what_is_no_state_dict_of_finite_tensors_is_refused(refusal, value, words):
    assert words in refusal(torch_bytes(value))


def test_nan_in_safetensors_is_refused(refusal):
    assert "'a' holds NaN" in refusal(save({"a": torch.full((4,), float("nan"))}), "model.safetensors")


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_sparse_tensors_are_refused(refusal):
    assert "sparse" in refusal(torch_bytes({"a": torch.eye(9).to_sparse()}))


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 2**62) + b'{"a":1}',
        struct.pack("<Q", 90_000_000) + b'{"a":1}',
        struct.pack("<Q", 8) + b'{"a":1} ' + bytes(50),
        struct.pack("<Q", 8) + b'{"":{}} ',
    ],
)
def test_hostile_safetensors_headers_are_refused(refusal, header):
    assert "damaged safetensors file" in refusal(header, "model.safetensors")


def test_a_safetensors_file_that_claims_more_than_it_has_is_refused(refusal):
    text = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    refusal(struct.pack("<Q", len(text)) + text + bytes(16), "model.safetensors")


def test_a_compressed_torch_file_is_refused(tmp_path, refusal):
    """A small archive may unpack to anything, and a memory map would read compressed bytes as weights."""
    original, buffer = zipfile.ZipFile(io.BytesIO(torch_bytes({"a": torch.zeros(100_000)}))), io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as squeezed:
        for name in original.namelist():
            squeezed.writestr(name, original.read(name))
    assert len(buffer.getvalue()) < 10_000
    assert "was compressed later" in refusal(buffer.getvalue())


@pytest.mark.parametrize("name", ["folder", "missing.pth", "missing/model.pth", "broken-link.pth", "a\0b.pth"])
def test_what_is_no_file_is_said_so(tmp_path, name):
    (tmp_path / "folder").mkdir()
    if name == "broken-link.pth":
        try:
            (tmp_path / name).symlink_to(tmp_path / "nowhere")
        except OSError:
            pytest.skip("links need a privilege here")
    with pytest.raises(CheckpointError, match="is a folder" if name == "folder" else "does not exist"):
        checkpoint.read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(CheckpointError, match="not a regular file"):
        checkpoint.read(tmp_path / "pipe.pth")


@pytest.fixture
def source(tmp_path) -> Path:
    return write(tmp_path / "model.pth", torch_bytes({"g_ema": tensors(), "step": 3}))


def test_conversion_keeps_names_values_and_number_formats(source):
    written = checkpoint.convert(source)
    assert written == source.with_suffix(".safetensors")
    content = checkpoint.read(written)
    assert_same(content.tensors, tensors())
    assert content.metadata == {
        "format": "pt",
        "source_file": "model.pth",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    with safe_open(written, framework="pt") as file:
        assert set(file.keys()) == set(tensors())


def test_conversion_separates_tensors_that_share_memory(tmp_path):
    """safetensors refuses shared memory; tied weights are common in checkpoints."""
    base = torch.arange(12.0).reshape(3, 4)
    shared = {"a": base, "b": base, "transposed": base.T, "row": base[1]}
    source = write(tmp_path / "m.pth", torch_bytes(shared))
    assert_same(checkpoint.read(checkpoint.convert(source)).tensors, shared)


def test_a_converted_file_remembers_its_first_source(source, tmp_path):
    first = checkpoint.convert(source)
    second = checkpoint.convert(first, tmp_path / "second.safetensors")
    assert checkpoint.read_metadata(second) == checkpoint.read_metadata(first)


def test_conversion_overwrites_only_when_told(source):
    target = write(source.with_suffix(".safetensors"), b"mine")
    with pytest.raises(WeightsError, match="already exists"):
        checkpoint.convert(source)
    assert target.read_bytes() == b"mine"
    assert_same(checkpoint.read(checkpoint.convert(source, overwrite=True)).tensors, tensors())


@pytest.mark.parametrize("target", ["model.pth", "model", "model.safetensors.txt"])
def test_conversion_writes_safetensors_only(source, tmp_path, target):
    before = source.read_bytes()
    with pytest.raises(WeightsError, match="must end in"):
        checkpoint.convert(source, tmp_path / target, overwrite=True)
    assert source.read_bytes() == before


def test_a_conversion_that_fails_leaves_nothing(tmp_path):
    source = write(tmp_path / "model.pth", torch_bytes(tensors())[:-40])
    with pytest.raises(CheckpointError):
        checkpoint.convert(source)
    blocked = write(tmp_path / "blocked", b"")
    whole = write(tmp_path / "whole.pth", torch_bytes(tensors()))
    with pytest.raises(WeightsError, match="cannot be written"):
        checkpoint.convert(whole, blocked / "model.safetensors")
    (tmp_path / "taken.safetensors").mkdir()
    with pytest.raises(WeightsError, match="cannot be written"):
        checkpoint.convert(whole, tmp_path / "taken.safetensors", overwrite=True)
    assert {entry.name for entry in tmp_path.iterdir() if entry.is_file()} == {
        "model.pth",
        "blocked",
        "whole.pth",
    }

"""Files are judged by their bytes: what they are called proves nothing."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from gpen_blocks.weights import contents
from gpen_blocks.weights.contents import Form


def torch_bytes(value: object, *, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def zip_bytes(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return buffer.getvalue()


# The entries of a file that torch.jit.save wrote (torch 2.4).
TORCHSCRIPT = ("m/data.pkl", "m/code/__torch__/net.py", "m/constants.pkl", "m/version")


TENSORS = {"a": torch.zeros(3)}
CASES = {
    "safetensors": (lambda: save(TENSORS), Form.SAFETENSORS),
    "safetensors without tensors": (lambda: save({}), Form.SAFETENSORS),
    "torch": (lambda: torch_bytes(TENSORS), Form.TORCH_ZIP),
    "old torch": (lambda: torch_bytes(TENSORS, old=True), Form.TORCH_LEGACY),
    "cut torch": (lambda: torch_bytes(TENSORS)[:-30], Form.BROKEN_ZIP),
    "torchscript": (lambda: zip_bytes(*TORCHSCRIPT), Form.TORCHSCRIPT),
    "pickle": (lambda: pickle.dumps({"a": 1}), Form.PICKLE),
    "onnx": (lambda: b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:\xd0\x0f\n", Form.ONNX),
    "page": (lambda: b"\n <!DOCTYPE html><html>", Form.WEB_PAGE),
    "page with a mark": (lambda: b"\xef\xbb\xbf<html>", Form.WEB_PAGE),
    "error": (lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", Form.WEB_PAGE),
    "pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00", Form.LFS_POINTER),
    "json": (lambda: b'{"Code": 404, "Message": "not found"}', Form.TEXT),
    "chinese": (lambda: "模型不存在".encode(), Form.TEXT),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(20), Form.PICTURE),
    "keras": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(20), Form.HDF5),
    "gguf": (lambda: b"GGUF\x03\x00\x00\x00", Form.GGUF),
    "gzip": (lambda: gzip.compress(b"x"), Form.GZIP),
    "zip": (lambda: zip_bytes("readme.txt"), Form.ZIP),
    "empty": (lambda: b"", Form.EMPTY),
    "zeros": (lambda: bytes(1000), Form.UNKNOWN),
    "noise": (lambda: bytes(range(128, 256)) * 4, Form.UNKNOWN),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_known_by_its_bytes(case, tmp_path: Path):
    make, form = CASES[case]
    path = tmp_path / "model.pth"
    path.write_bytes(make())
    assert contents.identify(path) is form


def test_a_real_onnx_file_is_known(shared):
    assert contents.identify(shared / "weights" / "pfld68_teacher.onnx") is Form.ONNX


@pytest.mark.parametrize("length", range(1, 12))
def test_the_first_bytes_of_a_model_are_not_called_a_web_page(length):
    """A connection may break after any byte; what has arrived must not be thrown away as an error page."""
    for whole in (save(TENSORS), torch_bytes(TENSORS, old=True)):
        assert contents.identify_bytes(whole[:length]) not in (Form.WEB_PAGE, Form.LFS_POINTER)

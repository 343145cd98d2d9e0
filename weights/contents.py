"""Identify the format of a file by its content, not by its name."""

from __future__ import annotations

import zipfile
from enum import Enum
from pathlib import Path

HEAD_BYTES = 512

# The old format of torch.save begins with this number, pickled (torch/serialization.py, MAGIC_NUMBER).
_TORCH_LEGACY_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

# An ONNX file begins with its IR version (field 1, a small number), followed by another top-level field of
# onnx.ModelProto: producer, version, domain, graph or opset.
_ONNX_SECOND_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


class Form(Enum):
    """Formats that a supposed model file may have; each value completes the sentence "the file is ..."."""

    SAFETENSORS = "a safetensors file"
    TORCH_ZIP = "a torch checkpoint"
    TORCH_LEGACY = "a torch checkpoint in the format before torch 1.6"
    TORCHSCRIPT = "a TorchScript program"
    PICKLE = "a Python pickle not written by torch.save, so it was not opened"
    ONNX = "an ONNX file"
    WEB_PAGE = "a web page or a server's error message"
    LFS_POINTER = "a Git LFS pointer instead of the file itself"
    TEXT = "a text file"
    PICTURE = "a picture"
    HDF5 = "an HDF5 (Keras) file"
    GGUF = "a GGUF file"
    GZIP = "a gzip archive"
    ZIP = "a zip archive without a torch checkpoint in it"
    BROKEN_ZIP = "the beginning of a zip archive or torch checkpoint whose end is missing"
    EMPTY = "empty"
    UNKNOWN = "of an unknown format"


# What a server may send instead of a model file.
NOT_A_MODEL = (Form.WEB_PAGE, Form.LFS_POINTER, Form.TEXT, Form.EMPTY)

_OPENINGS: tuple[tuple[bytes, Form], ...] = (
    (b"version https://git-lfs.github.com/spec/", Form.LFS_POINTER),
    (b"PK\x03\x04", Form.TORCH_ZIP),
    (b"\x89PNG", Form.PICTURE),
    (b"\xff\xd8\xff", Form.PICTURE),
    (b"\x89HDF\r\n", Form.HDF5),
    (b"GGUF", Form.GGUF),
    (b"\x1f\x8b", Form.GZIP),
)


def identify(path: Path) -> Form:
    """Format of the file at `path`; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        form = identify_bytes(file.read(HEAD_BYTES))
    return _identify_zip(path) if form is Form.TORCH_ZIP else form


def identify_bytes(head: bytes) -> Form:
    """Format of a file that begins with `head`; any zip archive counts as a torch checkpoint here."""
    if not head:
        return Form.EMPTY
    for opening, form in _OPENINGS:
        if head.startswith(opening):
            return form
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return Form.TORCH_LEGACY if head[2:].startswith(_TORCH_LEGACY_MAGIC) else Form.PICKLE
    # Eight bytes of length, then the header: a JSON object (safetensors' README, "Format").
    if head[8:10] in (b'{"', b"{}") and head[:1] != b"{":
        return Form.SAFETENSORS
    if len(head) > 2 and head[0] == 0x08 and head[1] < 0x20 and head[2] in _ONNX_SECOND_FIELDS:
        return Form.ONNX
    return _identify_text(head)


def _identify_text(head: bytes) -> Form:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error", b"<!--")):
        return Form.WEB_PAGE
    # The cut may split a character, hence "ignore". Text has no control characters.
    decoded = head.decode("utf-8", errors="ignore")
    printable = all(character.isprintable() or character in "\t\r\n" for character in decoded)
    return Form.TEXT if printable and len(decoded) > len(head) // 4 else Form.UNKNOWN


def _identify_zip(path: Path) -> Form:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError):
        return Form.BROKEN_ZIP
    if "data.pkl" not in names:
        return Form.ZIP
    return Form.TORCHSCRIPT if "constants.pkl" in names else Form.TORCH_ZIP

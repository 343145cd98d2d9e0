"""A generator as an ONNX file, for ONNX Runtime and the packages that use GPEN in that form."""

from __future__ import annotations

from pathlib import Path

from ...weights.files import replacing
from ..errors import SettingsError
from ..network import Generator
from .accelerate import Network
from .engine import EngineError
from .graph import whole_graph

# What one protocol buffer may hold.
_LARGEST = 2**31 - 1


def export_onnx(
    generator: Network,
    target: Path,
    *,
    name: str,
    sha256: str,
    template: str,
    fixed: bool = False,
    overwrite: bool = False,
) -> None:
    """Write a generator as one ONNX file; it appears whole or not at all.

    Input `input` and output `output` are faces x 3 x S x S, RGB in -1..1: the names and ranges that facefusion, ReActor
    and others use for GPEN. Its metadata name the model, its file's SHA-256 and the template of its crops.

    Args:
        generator: in fp32 and eager.
        target: must end in `.onnx`.
        name, sha256, template: of the model, for the metadata.
        fixed: for one face at a time, as some packages want it; otherwise for any number.
        overwrite: replace a file that is there already.

    Raises:
        SettingsError: the target exists, has another suffix or cannot be written; onnx is not installed; the model is
            larger than an ONNX file may be.
    """
    if not isinstance(generator, Generator):
        raise SettingsError("Only a generator loaded with the backend eager can be exported.")
    if target.suffix.lower() != ".onnx":
        raise SettingsError(f"{target} must end in .onnx; choose another name.")
    if target.exists() and not overwrite:
        raise SettingsError(f"{target} already exists; choose another name or pass --overwrite.")
    try:
        proto = whole_graph(generator, fixed=fixed)
    except EngineError as error:
        raise SettingsError(str(error)) from error
    for key, value in (("model", name), ("sha256", sha256), ("template", template)):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    if proto.ByteSize() > _LARGEST:
        raise SettingsError(f"{name} is larger than the 2 GB an ONNX file may have.")
    try:
        with replacing(target) as temporary:
            temporary.write_bytes(proto.SerializeToString())
    except OSError as error:
        raise SettingsError(f"{target} cannot be written: {error.strerror or error}.") from error

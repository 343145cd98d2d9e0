"""Export a generator to ONNX, for ONNX Runtime and packages that use GPEN in that format."""

from __future__ import annotations

from pathlib import Path

from ...weights.files import replacing
from ..errors import SettingsError
from ..network import Generator
from .accelerate import Network
from .engine import EngineError
from .graph import whole_graph

# Size limit of a protocol buffer.
_LARGEST = 2**31 - 1


def export_onnx(
    generator: Network,
    target: Path,
    *,
    name: str,
    sha256: str,
    template: str,
    task: str,
    fixed: bool = False,
    overwrite: bool = False,
) -> None:
    """Export a generator to one ONNX file, written atomically.

    Input `input` and output `output` are faces x 3 x S x S, RGB in -1..1: the names and ranges that facefusion, ReActor
    and others use for GPEN. The metadata give the name of the model, the SHA-256 of its file and the template of its
    crops.

    Args:
        generator: a generator in fp32 and eager.
        target: path that ends in `.onnx`.
        name, sha256, template, task: metadata of the model.
        fixed: fix the batch size to one face, as some packages need it; otherwise any number.
        overwrite: replace an existing file.

    Raises:
        SettingsError: the target exists, has another suffix or cannot be written; onnx is not installed; the model is
            too large for an ONNX file.
    """
    if not isinstance(generator, Generator):
        raise SettingsError(f"{name} cannot be exported: only a checkpoint that PyTorch (eager) runs can be.")
    if target.suffix.lower() != ".onnx":
        raise SettingsError(f"{target} must end in .onnx; choose another name.")
    if target.exists() and not overwrite:
        raise SettingsError(f"{target} already exists; choose another name or pass --overwrite.")
    try:
        proto = whole_graph(generator, fixed=fixed)
    except EngineError as error:
        raise SettingsError(str(error)) from error
    for key, value in (("model", name), ("sha256", sha256), ("template", template), ("task", task)):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    if proto.ByteSize() > _LARGEST:
        raise SettingsError(f"{name} is larger than 2 GB, the limit of an ONNX file.")
    try:
        with replacing(target) as temporary:
            temporary.write_bytes(proto.SerializeToString())
    except OSError as error:
        raise SettingsError(f"{target} cannot be written: {error.strerror or error}.") from error

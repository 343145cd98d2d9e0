"""Read checkpoints of any origin without executing anything in them, and convert them to safetensors."""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import contents, digest, places
from .contents import Form
from .errors import CheckpointError, WeightsError
from .files import replacing

if TYPE_CHECKING:
    from torch import Tensor

# Keys under which training code stores the weights in a checkpoint, best first: averaged weights before plain ones
# (GPEN and stylegan2-pytorch: g_ema; BasicSR: params_ema, params).
WRAPPERS = ("g_ema", "params_ema", "params", "state_dict", "generator", "net_g", "model", "g")

# The same keys as prefixes of flat names, as in safetensors files. `generator.` is missing on purpose: names of
# GPEN's own tensors begin with it.
_FLAT_WRAPPERS = ("g_ema.", "params_ema.", "state_dict.")
_PARALLEL_PREFIX = "module."
_MAX_NESTING = 4

FORMS_READ = (Form.SAFETENSORS, Form.TORCH_ZIP, Form.TORCH_LEGACY)

# Exceptions that torch and pickle raise on damaged files; found by cutting and altering files at every offset.
_DAMAGE = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ImportError,
    MemoryError,
    OverflowError,
)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        tensors: by name, on the CPU, in the dtype of the file, all values finite. They may be mapped from the file:
            copy them before the file changes.
        metadata: metadata of a safetensors file; empty for other files.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    metadata: dict[str, str] = field(default_factory=dict)


def read(path: Path | str) -> Checkpoint:
    """Read a safetensors file or a torch checkpoint, whatever its suffix.

    Pickles are read with torch's `weights_only` loader, which executes nothing. Nested checkpoints are unwrapped, see
    `unwrap`.

    Args:
        path: the file.

    Raises:
        CheckpointError: the file is truncated, damaged, hostile or in another format, or holds anything but finite
            tensors.
    """
    path = Path(path)
    form = _form_of(path)
    if form not in FORMS_READ:
        raise CheckpointError(f"{path} is {form.value}; a safetensors file or a torch checkpoint (.pth) is needed.")
    if form is Form.SAFETENSORS:
        loaded, metadata = _read_safetensors(path)
    else:
        loaded, metadata = _read_torch(path, form), {}
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}; a dictionary of tensors is needed.")
    return Checkpoint(_checked_tensors(path, unwrap(loaded)), metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file; its tensors are not read. Raises CheckpointError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, "safetensors file", error) from error


def unwrap(loaded: Mapping[Any, Any]) -> dict[Any, Any]:
    """The innermost state dict of a checkpoint.

    1. If the checkpoint has a dictionary under one of the keys `WRAPPERS`, tried in that order, continue with it.
    2. Otherwise, if names begin with `g_ema.`, `params_ema.` or `state_dict.`, keep only those and remove the prefix.
    3. If every name begins with `module.` (added by torch's DataParallel), remove it.
    4. Repeat while something changes, at most four times.
    """
    current = dict(loaded)
    for _ in range(_MAX_NESTING):
        inner = _without_parallel_prefix(_inner(current))
        if inner.keys() == current.keys():
            break
        current = inner
    return current


def convert(source: Path | str, target: Path | str | None = None, *, overwrite: bool = False) -> Path:
    """Convert a checkpoint to safetensors. Dtypes are kept, and the file is replaced atomically.

    The metadata names the source file and its SHA-256 (`source_file`, `source_sha256`), by which the converted file is
    recognised.

    Args:
        source: any checkpoint that `read` accepts.
        target: path to write; by default the source's, with the suffix `.safetensors`.
        overwrite: replace an existing file.

    Returns:
        The path written.

    Raises:
        CheckpointError: the source cannot be read.
        WeightsError: the target exists, has another suffix or cannot be written.
    """
    source = Path(source)
    target = Path(target) if target is not None else source.with_suffix(".safetensors")
    if target.suffix.lower() != ".safetensors":
        raise WeightsError(f"{target} must end in .safetensors; choose another name.")
    if target.exists() and not overwrite:
        raise WeightsError(f"{target} already exists; choose another name or allow overwriting.")
    content = read(source)
    metadata = {
        "format": "pt",
        "source_file": source.name,
        "source_sha256": digest.sha256_of(source),
        **content.metadata,
    }
    # safetensors refuses tensors that share memory; a clone has its own.
    tensors = {name: tensor.clone().contiguous() for name, tensor in content.tensors.items()}
    _write_safetensors(tensors, metadata, target)
    return target


def _form_of(path: Path) -> Form:
    if not places.is_file(path):
        what = "is a folder" if places.is_folder(path) else "does not exist or is not a regular file"
        raise CheckpointError(f"{path} {what}; give the path of a checkpoint file.")
    try:
        return contents.identify(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}; check its permissions.") from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, *_DAMAGE) as error:
        raise _damaged(path, "safetensors file", error) from error


def _read_torch(path: Path, form: Form) -> object:
    import torch

    zipped = form is Form.TORCH_ZIP
    if zipped:
        _require_stored(path)
    try:
        # torch can map a path into memory, but treats every path that ends in .safetensors as a safetensors file.
        if zipped and path.suffix.lower() != ".safetensors":
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        if culprit is None:
            raise _damaged(path, form.value.removeprefix("a "), error) from error
        raise CheckpointError(
            f"{path} contains {culprit[1]}, which is not a tensor, so it was refused and nothing in it was executed; "
            "use a file that holds only a state dict."
        ) from error
    except _DAMAGE as error:
        raise _damaged(path, form.value.removeprefix("a "), error) from error


def _require_stored(path: Path) -> None:
    """Refuse compressed archives: torch.save does not compress, and a compressed archive may be a zip bomb."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError(
                f"{path} is a torch checkpoint that was compressed later; use the file as it was published."
            )


def _damaged(path: Path, what: str, error: BaseException) -> CheckpointError:
    detail = (str(error) or type(error).__name__).splitlines()[0]
    # torch's message advises turning the safe loader off, so it is not passed on.
    detail = "its pickle is damaged" if "weights_only" in detail or "Weights only" in detail else detail[:200]
    return CheckpointError(f"{path} is a truncated or damaged {what} ({detail.rstrip('.')}); download it again.")


def _inner(mapping: dict[Any, Any]) -> dict[Any, Any]:
    for name in WRAPPERS:
        if isinstance(mapping.get(name), Mapping) and mapping[name]:
            return dict(mapping[name])
    for prefix in _FLAT_WRAPPERS:
        inside = {name[len(prefix) :]: value for name, value in mapping.items() if str(name).startswith(prefix)}
        if inside:
            return inside
    return mapping


def _without_parallel_prefix(mapping: dict[Any, Any]) -> dict[Any, Any]:
    if not mapping or not all(str(name).startswith(_PARALLEL_PREFIX) for name in mapping):
        return mapping
    return {name[len(_PARALLEL_PREFIX) :]: value for name, value in mapping.items()}


def _checked_tensors(path: Path, state_dict: dict[Any, Any]) -> dict[str, Tensor]:
    from torch import Tensor

    size = path.stat().st_size
    tensors: dict[str, Tensor] = {}
    for name, value in state_dict.items():
        if isinstance(name, str) and isinstance(value, Tensor):
            tensors[name] = value.detach()
            _check_tensor(path, name, tensors[name], size)
        # Training code stores the step or the size beside the tensors; these are not weights.
        elif not isinstance(value, (int, float, str, type(None))):
            raise CheckpointError(
                f"{path} holds a {type(value).__name__} named {name!r} among its tensors; a plain state dict is needed."
            )
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors; a checkpoint with weights is needed.")
    return tensors


def _check_tensor(path: Path, name: str, tensor: Tensor, file_size: int) -> None:
    import torch

    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise CheckpointError(
            f"{path}: the tensor {name!r} is sparse, quantised or without data; plain tensors are needed."
        )
    # A small file can describe a huge tensor that repeats one number; no real checkpoint does.
    if tensor.numel() * tensor.element_size() > file_size:
        raise CheckpointError(f"{path}: the tensor {name!r} claims to be larger than its file; the file is hostile.")
    values = tensor.float() if tensor.is_floating_point() and tensor.element_size() < 2 else tensor
    if not torch.isfinite(values).all():
        raise CheckpointError(f"{path}: the tensor {name!r} holds NaN or infinity, so the model cannot work.")


def _write_safetensors(tensors: dict[str, Tensor], metadata: dict[str, str], target: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with replacing(target) as temporary:
            save_file(tensors, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{target} cannot be written ({error}); choose another folder.") from error

"""Reading checkpoints from anywhere without running anything they hold, and keeping them as safetensors."""

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

# Where training codes keep the weights inside a checkpoint, best first: averaged weights before plain ones
# (GPEN and stylegan2-pytorch: g_ema; BasicSR: params_ema, params).
WRAPPERS = ("g_ema", "params_ema", "params", "state_dict", "generator", "net_g", "model", "g")

# The same as a prefix of flat names, as safetensors files have it. `generator.` is missing on purpose: it
# begins the names of GPEN's own tensors.
_FLAT_WRAPPERS = ("g_ema.", "params_ema.", "state_dict.")
_PARALLEL_PREFIX = "module."
_MAX_NESTING = 4

FORMS_READ = (Form.SAFETENSORS, Form.TORCH_ZIP, Form.TORCH_LEGACY)

# What torch and pickle raise on damaged files, seen by cutting and altering files at every place.
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
        tensors: by name, on the CPU, in the file's own number format; finite throughout. They may share the
            file's
            memory: copy them before the file is changed.
        metadata: what a safetensors file says about itself; empty for other files.
    """

    tensors: dict[str, Tensor] = field(repr=False)
    metadata: dict[str, str] = field(default_factory=dict)


def read(path: Path | str) -> Checkpoint:
    """Read a safetensors file or a torch checkpoint, whatever its name ends in.

    Pickles are read with torch's `weights_only` loader: nothing in them is run. Nested checkpoints are
    unwrapped, see `unwrap`.

    Args:
        path: the file.

    Raises:
        CheckpointError: the file is truncated, damaged, hostile, of another form, or holds something else
            than finite tensors.
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
        raise CheckpointError(f"{path} holds a {type(loaded).__name__}, and a dictionary of tensors is needed.")
    return Checkpoint(_checked_tensors(path, unwrap(loaded)), metadata)


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says about itself, without reading its tensors; raises CheckpointError."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, "safetensors file", error) from error


def unwrap(loaded: Mapping[Any, Any]) -> dict[Any, Any]:
    """The innermost state dict of a checkpoint.

    1. A dictionary under one of the names `WRAPPERS`, tried in that order, takes its holder's place.
    2. Where there is none, names that begin with `g_ema.`, `params_ema.` or `state_dict.` do, without that
       prefix.
    3. `module.` is taken off where every name has it (torch's DataParallel puts it there).
    4. All over again, while something changes, at most four levels deep.
    """
    current = dict(loaded)
    for _ in range(_MAX_NESTING):
        inner = _without_parallel_prefix(_inner(current))
        if inner.keys() == current.keys():
            break
        current = inner
    return current


def convert(source: Path | str, target: Path | str | None = None, *, overwrite: bool = False) -> Path:
    """Write a checkpoint as safetensors, number formats kept; the file appears whole or not at all.

    The metadata names the source file and its SHA-256 (`source_file`, `source_sha256`): by them the converted
    file is recognised as the model it was.

    Args:
        source: any checkpoint `read` takes.
        target: where to write; by default beside the source, with the suffix `.safetensors`.
        overwrite: replace a file that is there already.

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
        raise WeightsError(f"{target} exists already; choose another name or ask for it to be overwritten.")
    content = read(source)
    metadata = {
        "format": "pt",
        "source_file": source.name,
        "source_sha256": digest.sha256_of(source),
        **content.metadata,
    }
    # A clone owns its memory: safetensors refuses tensors that share theirs.
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
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}; check its rights.") from error


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
        # A path can be mapped into memory, but torch takes one that ends in .safetensors at its word.
        if zipped and path.suffix.lower() != ".safetensors":
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        if culprit is None:
            raise _damaged(path, form.value.removeprefix("a "), error) from error
        raise CheckpointError(
            f"{path} asks for {culprit[1]}, which is no tensor, so it was refused and nothing in it was run; "
            "use a file that holds only a state dict."
        ) from error
    except _DAMAGE as error:
        raise _damaged(path, form.value.removeprefix("a "), error) from error


def _require_stored(path: Path) -> None:
    """Refuse re-compressed archives: torch.save compresses nothing, and these may unpack to anything."""
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError(
                f"{path} is a torch checkpoint that was compressed later; use the file as it was published."
            )


def _damaged(path: Path, what: str, error: BaseException) -> CheckpointError:
    detail = (str(error) or type(error).__name__).splitlines()[0]
    # torch's own advice is to turn the safe loader off, which is the last thing to do here.
    detail = "its pickle is damaged" if "weights_only" in detail or "Weights only" in detail else detail[:200]
    return CheckpointError(f"{path} is a truncated or damaged {what} ({detail.rstrip('.')}); fetch it again.")


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
        # Training codes write the step or the size beside the tensors; those are no part of the weights.
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
            f"{path}: the tensor {name!r} is sparse, quantised or empty of data; plain ones are needed."
        )
    # A small file can describe a huge tensor that repeats one number; nothing real does.
    if tensor.numel() * tensor.element_size() > file_size:
        raise CheckpointError(f"{path}: the tensor {name!r} claims to be larger than its file; the file is hostile.")
    values = tensor.float() if tensor.is_floating_point() and tensor.element_size() < 2 else tensor
    if not torch.isfinite(values).all():
        raise CheckpointError(f"{path}: the tensor {name!r} holds NaN or infinity, so the model would give nothing.")


def _write_safetensors(tensors: dict[str, Tensor], metadata: dict[str, str], target: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with replacing(target) as temporary:
            save_file(tensors, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{target} cannot be written ({error}); choose another place.") from error

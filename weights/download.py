"""Download model files on request: from several sources, resumable, verified before use."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from . import places, registry, store
from .errors import DownloadError
from .registry import ModelRecord, Source
from .transfer import Address, Part, Patience, Progress, TransferError, fetch

_log = logging.getLogger(__name__)

# Seconds to wait for another process before a message is logged.
_SILENT_WAIT = 1.0


def download(
    record_or_name: ModelRecord | str,
    *,
    folder: Path | str | None = None,
    progress: Progress | None = None,
    on_licence: Callable[[str], None] | None = None,
    sources: Sequence[Source | str] | None = None,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Path:
    """Download a model file.

    1. If the folder already holds the complete file, return it without any network access.
    2. Call `on_licence` with the licence; an exception it raises ends the download before the first byte.
    3. Try the sources in order. Received bytes are kept in `FILE.part`, from which the next source or the next call
       resumes.
    4. Compare size and SHA-256 with the registry, then rename the file atomically. If no SHA-256 is published, the file
       must be a readable checkpoint, and a warning is logged.

    If two processes request the same file, the second waits and then uses the file of the first.

    Args:
        record_or_name: a record or a registry name.
        folder: target folder; by default `places.download_folder`.
        progress: called with the bytes received and the total (None if unknown); an exception it raises ends the
            download.
        on_licence: called with the licence text to show.
        sources: sources to use instead of those of the registry.
        patience: time-outs and retries.

    Returns:
        The path of the file.

    Raises:
        ModelNotFoundError: there is no such model.
        DownloadError: every source failed, or the file cannot be written. The message gives the reason for each source
            and the folder to which the file can be copied by hand.
    """
    record = registry.get(record_or_name) if isinstance(record_or_name, str) else record_or_name
    chosen = tuple(Source.parse(one) if isinstance(one, str) else one for one in sources or record.sources)
    if record.bundled and not chosen:
        return store.resolve(record.name).path
    if not chosen:
        raise DownloadError(f"No source is known for {record.file}; copy it into {_default(record)} yourself.")
    target = (places.expand(str(folder)) if folder is not None else _default(record)).absolute() / record.file
    _make_folder(target.parent)
    if _is_whole(target, record):
        return target
    if on_licence is not None:
        on_licence(f"{record.file} ({record.licence}): {record.licence_note}")
    with _turn(target):
        if not _is_whole(target, record):
            _obtain(record, chosen, target, progress, patience)
    return target


def address_of(source: Source) -> Address:
    """URL of a source; for Hugging Face, huggingface_hub supplies the endpoint and the token."""
    if source.scheme == "modelscope":
        # https://www.modelscope.cn/docs/models/download
        return Address(f"https://modelscope.cn/models/{source.location}/resolve/master/{quote(source.path)}")
    if source.scheme == "https":
        return Address(source.location)
    from huggingface_hub import constants, get_token, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        raise TransferError("HF_HUB_OFFLINE is set")
    url = hf_hub_url(source.location, source.path, repo_type="space" if source.space else "model")
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return Address(url, {"Authorization": f"Bearer {token}"} if token else {})


def _default(record: ModelRecord) -> Path:
    return places.download_folder(record.kind)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"The folder {folder} cannot be created: {error.strerror or error}; choose another with "
            f"{places.FOLDER_VARIABLE}."
        ) from error


def _is_whole(target: Path, record: ModelRecord) -> bool:
    return places.is_file(target) and store.inspect(target, record, fresh=record.sha256 is None).state != "rejected"


@contextlib.contextmanager
def _turn(target: Path) -> Iterator[None]:
    """Wait until no other process downloads the file; the system releases the lock of a process that died."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        try:
            lock.acquire(timeout=_SILENT_WAIT)
        except Timeout:
            _log.warning(f"{target.name} is being downloaded by another process; waiting for it.")
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise DownloadError(
            f"{target.parent} cannot be written ({error}); set another folder in {places.FOLDER_VARIABLE}."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _obtain(
    record: ModelRecord,
    sources: Sequence[Source],
    target: Path,
    progress: Progress | None,
    patience: Patience,
) -> None:
    part = Part(target.with_name(target.name + ".part"))
    reasons: list[str] = []
    for source in sources:
        try:
            _fetch_checked(record, source, part, progress, patience)
        except TransferError as error:
            reasons.append(f"{source} {error}")
            continue
        _set_aside(target)
        part.finish(target)
        if record.sha256 is None:
            _log.warning(f"{target} is a readable checkpoint of unproven origin: no SHA-256 is published for it.")
        return
    raise DownloadError(_failure(record, reasons, target))


def _fetch_checked(
    record: ModelRecord, source: Source, part: Part, progress: Progress | None, patience: Patience
) -> None:
    """Download from one source and verify the file; retry if it was put together from two responses."""
    while True:
        fetch(
            address_of(source),
            part,
            size=record.bytes,
            same_everywhere=record.sha256 is not None,
            progress=progress,
            patience=patience,
        )
        inspection = store.inspect(part.path, record, fresh=True)
        if inspection.state != "rejected":
            return
        pieced = part.pieced
        part.discard()
        if not pieced:
            raise TransferError(f"sent another file: {inspection.reason}")


def _set_aside(target: Path) -> None:
    """Rename a file of the same name that is not the model; it belongs to the user, so keep it."""
    if not target.exists():
        return
    aside = target.with_name(f"{target.name}.{time.strftime('%Y%m%d-%H%M%S')}.old")
    try:
        target.replace(aside)
    except OSError as error:
        raise DownloadError(
            f"{target} is in the way and cannot be renamed ({error.strerror or error}); move it away yourself."
        ) from error
    _log.warning(f"{target} was damaged or another file; it is kept as {aside.name}.")


def _failure(record: ModelRecord, reasons: Sequence[str], target: Path) -> str:
    proof = f" ({record.bytes:,} bytes)" if record.bytes is not None else ""
    folder = places.copy_folder(record.kind) if target.parent == _default(record).absolute() else target.parent
    found = list(store.rejected(record))
    if places.is_file(target) and target not in (one.path for one in found):
        found.append(store.inspect(target, record))
    broken = "".join(f" {one.path} is there, but is not used: {one.reason}." for one in found)
    return (
        f"{record.file} could not be downloaded: {'; '.join(reasons)}. Try again, which resumes the "
        f"download, or copy the file{proof} into {folder} yourself.{broken}"
    )

"""Files and folders on this machine or in an object store such as S3, by path or URL.

Credentials come from where pyarrow and fsspec look for them: the environment, a configuration file, or the role of the
machine. An address that holds one is refused, since addresses are written into journals and logs.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from ...weights.files import replacing
from ..errors import MissingPackageError, StorageError

if TYPE_CHECKING:
    from pyarrow import fs

# At least two letters come before the colon: one letter is a drive of Windows.
_URL = re.compile(r"(?P<root>[a-z][a-z0-9+.-]+://(?P<host>[^/]*))(?P<path>/.*)?", re.DOTALL | re.IGNORECASE)
_PARAMETERS = re.compile(r"\?[\w-]+=")
# File systems where an object appears when its upload is complete, and where renaming would be a copy.
_OBJECT_STORES = {"abfs", "gcs", "s3"}
_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|CREDENTIAL|_KEY|SAS_", re.IGNORECASE)
# Shorter values, such as "1" or "none", are no secret and may stand in any sentence.
_SHORTEST_SECRET = 6


class Entry(NamedTuple):
    """A file in a listing: its path below the folder with "/", its bytes, and when it was changed (0: unknown)."""

    name: str
    size: int
    mtime_ns: int


def is_url(address: str | Path) -> bool:
    """Whether an address names a storage, such as `s3://bucket/folder`, and not a path on this machine."""
    return isinstance(address, str) and _URL.fullmatch(address) is not None


def hide_secrets(text: str) -> str:
    """Replace values of environment variables that hold credentials; the error of a driver might quote one."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET.search(name):
            text = text.replace(value, f"<{name}>")
    return text


class Listing(Protocol):
    """What is known of some folders, so that a place need not be asked."""

    def covers(self, place: Place) -> bool:
        """Whether it is known which file is at a place."""
        ...

    def get(self, place: Place) -> Entry | None:
        """The file at a place; None if there is none."""
        ...


listings: list[Listing] = []
"""Listings in use, see `listing.listed`."""


@dataclass(frozen=True, order=True)
class Place:
    """A file or folder; it pickles as its address and is opened where it is used.

    Attributes:
        address: an absolute path, or a URL without credentials and without "/" at its end. What follows the bucket is
            the literal name of the object: a "%" or "#" is part of the name.
    """

    address: str

    @staticmethod
    def of(address: str | Path) -> Place:
        """The place of an address that a user gave.

        Raises:
            StorageError: the URL holds a password or parameters.
        """
        found = _URL.fullmatch(str(address)) if is_url(address) else None
        if found is None:
            return Place(str(Path(address).absolute()))
        if ":" in found["host"].rpartition("@")[0] or _PARAMETERS.search(str(address)):
            raise StorageError(
                "The address holds a password or parameters, which would be written into the journal; set them in the "
                "environment instead, such as AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL."
            )
        return Place(found["root"] + (found["path"] or "").rstrip("/"))

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str | PurePath) -> Place:
        return Place(f"{self.address}/{PurePosixPath(name).as_posix()}")

    def __getstate__(self) -> dict[str, Any]:
        return {"address": self.address}

    @property
    def is_remote(self) -> bool:
        """Whether this is a URL."""
        return is_url(self.address)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2] if self.is_remote else Path(self.address).name

    @property
    def stem(self) -> str:
        """The last part of the address without suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The suffix of the last part of the address, such as `.jpg`."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> Place:
        """The folder that this is in; of a bucket the bucket itself."""
        found = _URL.fullmatch(self.address)
        if found is None:
            return Place(str(Path(self.address).parent))
        return Place(found["root"] + (found["path"] or "").rpartition("/")[0])

    def with_name(self, name: str) -> Place:
        """The place of this name beside this one."""
        return self.parent / name

    def relative_to(self, folder: Place) -> PurePosixPath:
        """The path below a folder.

        Raises:
            ValueError: it is not in that folder.
        """
        return PurePosixPath(self.address).relative_to(folder.address)

    def absolute(self) -> Place:
        """The place itself, as a path has it."""
        return self

    @cached_property
    def _opened(self) -> tuple[fs.FileSystem, str]:
        found = _URL.fullmatch(self.address)
        if found is None:
            return _connect(""), Path(self.address).as_posix()
        with self._telling("opened"):
            # The root alone: pyarrow would decode "%" in the name of an object.
            system, start = _connect(found["root"] if found["host"] else f"{found['root']}/")
        return system, start.rstrip("/") + (found["path"] or "")

    @property
    def filesystem(self) -> fs.FileSystem:
        """The file system of pyarrow.

        Raises:
            StorageError: the storage is unknown or cannot be reached.
            MissingPackageError: pyarrow is not installed.
        """
        return self._opened[0]

    @property
    def path(self) -> str:
        """The path on `filesystem`."""
        return self._opened[1]

    def stat(self) -> Entry | None:
        """The size and time of a file; None if there is no such file.

        Raises:
            StorageError: the storage cannot be reached.
        """
        for listing in listings:
            if listing.covers(self):
                return listing.get(self)
        info = self._info()
        return Entry(self.name, info.size, info.mtime_ns or 0) if info.is_file else None

    def exists(self) -> bool:
        """Whether this is a file.

        Raises:
            StorageError: the storage cannot be reached.
        """
        return self.stat() is not None

    def is_dir(self) -> bool:
        """Whether this is a folder, or the beginning of the names of objects.

        Raises:
            StorageError: the storage cannot be reached.
        """
        from pyarrow.fs import FileType

        return self._info().type == FileType.Directory

    def files(self) -> list[Entry]:
        """All files in a folder and in those in it, sorted by name; none if there is no such folder.

        Raises:
            StorageError: the folder cannot be listed.
        """
        start = self.path.rstrip("/") + "/"
        found = (info for info in self._select(recursive=True) if info.is_file)
        return sorted(Entry(info.path.removeprefix(start), info.size, info.mtime_ns or 0) for info in found)

    def walk(self) -> Iterator[tuple[Place, list[str], list[Entry]]]:
        """Go through a folder and those in it as `os.walk` does: each with the names of folders, and with the files.

        A folder that is taken from the list is not entered.

        Raises:
            StorageError: a folder cannot be listed.
        """
        found = self._select(recursive=False)
        folders = sorted(info.base_name for info in found if not info.is_file)
        files = sorted(Entry(info.base_name, info.size, info.mtime_ns or 0) for info in found if info.is_file)
        yield self, folders, files
        for name in folders:
            yield from (self / name).walk()

    def _select(self, *, recursive: bool) -> list[fs.FileInfo]:
        from pyarrow.fs import FileSelector

        with self._telling("listed"):
            return self.filesystem.get_file_info(FileSelector(self.path, allow_not_found=True, recursive=recursive))

    def read(self) -> bytes:
        """The content of a file.

        Raises:
            StorageError: it cannot be read.
        """
        with self._telling("read"), self.filesystem.open_input_stream(self.path) as stream:
            return stream.read()

    def write(self, content: bytes) -> None:
        """Write a file: whole or not at all.

        An object store shows an object when its upload is complete; elsewhere, a temporary file is renamed.

        Raises:
            StorageError: it cannot be written.
        """
        with self._telling("written"):
            if not self.is_remote:
                with replacing(Path(self.address)) as temporary, temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            elif self.filesystem.type_name in _OBJECT_STORES:
                _upload(self.filesystem, self.path, content)
            else:
                folder = self.path.rpartition("/")[0]
                between = f"{folder}/.{uuid.uuid4().hex}.tmp"
                self.filesystem.create_dir(folder, recursive=True)
                try:
                    _upload(self.filesystem, between, content)
                    self.filesystem.move(between, self.path)
                except BaseException:
                    with suppress(OSError):  # it may never have been made
                        self.filesystem.delete_file(between)
                    raise

    def delete(self) -> None:
        """Delete a file, or a folder with all that is in it, if it is there.

        Raises:
            StorageError: it cannot be deleted.
        """
        info = self._info()
        with self._telling("deleted"):
            if info.is_file:
                self.filesystem.delete_file(self.path)
            elif self.is_dir():
                self.filesystem.delete_dir(self.path)

    def _info(self) -> fs.FileInfo:
        with self._telling("read"):
            return self.filesystem.get_file_info(self.path)

    @contextmanager
    def _telling(self, done: str) -> Iterator[None]:
        """Turn the error of a driver into a sentence without credentials."""
        try:
            yield
        except (OSError, ValueError, NotImplementedError, ImportError) as error:  # pyarrow's errors are among these
            reason = hide_secrets(" ".join(str(getattr(error, "strerror", None) or error).split()))
            raise StorageError(f"{self.address} cannot be {done}: {reason.rstrip('.')}.") from None


def path_of(name: str) -> Path:
    """The file of an address; that of a URL is a `Place`, which has of a path what planning needs."""
    return cast(Path, Place(name)) if is_url(name) else Path(name)


@lru_cache(maxsize=64)
def _connect(root: str) -> Any:
    """The local file system for "", otherwise the file system of a URL and the path of its root."""
    try:
        from pyarrow import fs
    except ImportError as error:
        raise MissingPackageError("Addresses such as s3://bucket need pyarrow; install gpen-blocks[ray].") from error
    return fs.FileSystem.from_uri(root) if root else fs.LocalFileSystem()


def _upload(system: fs.FileSystem, path: str, content: bytes) -> None:
    # Not in a `with`: leaving one after an error would complete the object with what has been sent.
    stream = system.open_output_stream(path)
    stream.write(content)
    stream.close()

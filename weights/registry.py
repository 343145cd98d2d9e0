"""Registry of known models: frozen records read from `registry.toml`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from .errors import ModelNotFoundError, WeightsError
from .toml import tomllib

Kind = Literal["generator", "detector", "parser", "landmarks", "classifier", "recogniser"]
Task = Literal["restoration", "colorization", "inpainting", "seg2face"]
Template = Literal["gpen", "ffhq"]
Scheme = Literal["https", "huggingface", "modelscope"]

REGISTRY_FILE = Path(__file__).with_name("registry.toml")

# Plain http is allowed only for servers on this machine.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Source:
    """A source from which a file can be downloaded.

    Attributes:
        scheme: `https`, `huggingface` or `modelscope`.
        location: the URL, or the repository as OWNER/NAME.
        path: path of the file inside the repository; empty for a URL.
        space: the repository is a Hugging Face Space.
    """

    scheme: Scheme
    location: str
    path: str = ""
    space: bool = False

    @classmethod
    def parse(cls, text: str) -> Source:
        """Parse a source as written in `registry.toml`; raises WeightsError for anything else."""
        scheme, _, rest = text.partition(":")
        if scheme in ("huggingface", "modelscope"):
            space = scheme == "huggingface" and rest.startswith("spaces/")
            owner, name, *path = rest.removeprefix("spaces/" if space else "").split("/")
            if owner and name and path and not any(part in ("", ".", "..") for part in path):
                return cls(scheme, f"{owner}/{name}", "/".join(path), space)
        if is_allowed_address(text):
            return cls("https", text)
        raise WeightsError(
            f"{text!r} is not a source: give an https URL, huggingface:OWNER/REPO/PATH or modelscope:OWNER/MODEL/PATH."
        )

    def __str__(self) -> str:
        if self.scheme == "https":
            return urlsplit(self.location).netloc + urlsplit(self.location).path
        return f"{self.scheme}:{'spaces/' if self.space else ''}{self.location}/{self.path}"


def is_allowed_address(url: str) -> bool:
    """Whether a file may be downloaded from `url`: https, or http from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


@dataclass(frozen=True)
class ModelRecord:
    """Record of one model file.

    Attributes:
        name: name of the model in commands and settings.
        kind: generator, detector, parser, landmarks, classifier or recogniser.
        description: one line, shown in lists.
        file: the file's name.
        licence: short name of its licence.
        licence_note: sentence shown before a download.
        aliases: other names under which the same file is distributed.
        sources: download sources, in the order to try.
        bytes: size of the file, or None if unknown.
        sha256: lower-case hexadecimal, or None if unknown.
        bundled: whether the file comes with the package.
        task: task a generator was trained for; None for other kinds.
        template: landmark template to align a generator's crops with; None for other kinds.
        score_threshold: measured score from which a detection counts as a face; None for other kinds.
    """

    name: str
    kind: Kind
    description: str
    file: str
    licence: str
    licence_note: str
    aliases: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    bytes: int | None = None
    sha256: str | None = None
    bundled: bool = False
    task: Task | None = None
    template: Template | None = None
    score_threshold: float | None = None

    @property
    def file_names(self) -> tuple[str, ...]:
        """File names to search for: the file's name, its aliases, and each with the suffix `.safetensors`."""
        names = (self.file, *self.aliases)
        converted = (str(PurePosixPath(name).with_suffix(".safetensors")) for name in names)
        return tuple(dict.fromkeys((*names, *converted)))


def find(name: str) -> ModelRecord | None:
    """The record with this registry or file name (case and a missing suffix do not matter), or None."""
    return _names().get(name.strip().casefold())


def namesake(file_name: str) -> ModelRecord | None:
    """The record after which a file is named, be it in another format, such as `gpen_bfr_512.onnx`; or None."""
    return find(file_name) or find(PurePosixPath(file_name).stem.replace("_", "-"))


def get(name: str) -> ModelRecord:
    """Like `find`; raises ModelNotFoundError, naming what is close, where there is none."""
    record = find(name)
    if record is None:
        raise ModelNotFoundError(unknown_model(name))
    return record


def find_by_sha256(sha256: str) -> ModelRecord | None:
    """The record whose file has this hash, or None."""
    return next((record for record in records().values() if record.sha256 == sha256), None)


def unknown_model(name: str) -> str:
    """The sentence for a name that no record has."""
    close = difflib.get_close_matches(name.casefold(), records(), n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]}?" if close else ""
    shown = name if len(name) <= 80 else f"{name[:80]}…"
    return f"There is no model called {shown!r}; `gpen models list` shows those there are.{hint}"


@lru_cache(maxsize=1)
def records() -> dict[str, ModelRecord]:
    """Every record by its name, in the order of the file."""
    return load(REGISTRY_FILE)


def load(path: Path) -> dict[str, ModelRecord]:
    """Read a registry; raises WeightsError where the file breaks its own rules."""
    with path.open("rb") as file:
        content = tomllib.load(file)
    loaded = [_record(entry, content["licences"]) for entry in content["models"]]
    return {record.name: record for record in loaded}


def _record(entry: dict[str, Any], licences: dict[str, dict[str, str]]) -> ModelRecord:
    known = {field.name for field in fields(ModelRecord)} - {"licence_note"}
    licence = licences.get(entry.get("licence", ""), {})
    faults = [f"unknown field {key}" for key in entry.keys() - known]
    faults += [f"{key} is {entry.get(key)!r}" for key, allowed in _CHOICES.items() if entry.get(key) not in allowed]
    faults += [] if licence else ["no licence"]
    faults += [] if re.fullmatch(r"[0-9a-f]{64}", entry.get("sha256", "0" * 64)) else ["sha256 is not one"]
    if faults:
        raise WeightsError(f"The registry entry {entry.get('name')!r} is wrong: {', '.join(faults)}.")
    entry = entry | {
        "licence": licence["name"],
        "licence_note": licence["note"],
        "aliases": tuple(entry.get("aliases", ())),
        "sources": tuple(Source.parse(text) for text in entry.get("sources", ())),
    }
    return ModelRecord(**entry)


_CHOICES = {
    "kind": get_args(Kind),
    "task": (*get_args(Task), None),
    "template": (*get_args(Template), None),
}


@lru_cache(maxsize=1)
def _names() -> dict[str, ModelRecord]:
    table: dict[str, ModelRecord] = {}
    for record in records().values():
        for name in (record.name, *record.file_names):
            stem = name.rpartition(".")[0] if name != record.name else name
            for key in (name.casefold(), stem.casefold()):
                if table.setdefault(key, record) is not record:
                    raise WeightsError(f"The registry calls two models {name!r}: {table[key].name}, {record.name}.")
    return table

"""The options of `gpen restore`, and whether they fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..images import WRITABLE
from ..jobs.collect import Job
from ..jobs.journal import FILE
from ..jobs.storage import Place, is_url
from ..presets import Preset
from ..settings import change_settings

FEWEST = 5
"""From this number of pictures on, a run with a folder for the results is a job with a journal."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """The options of `gpen restore`.

    Attributes:
        inputs, files_from, recursive: the pictures, as for `find_inputs`.
        output, overwrite, pattern: the results, as for `plan`.
        again, shard, limit: of a job, see `Order`.
        dry_run: only say what would be done.
        watch: wait for new pictures.
        model, detector, device, running: as for `Restorer`; `running` holds backend and precision.
        enlarging: as for `Restorer`: factor and background; empty if pictures keep their size.
        preset, settings: the preset, and the settings that take precedence.
        restoring: options of `restore_files` that change the results.
        spread: its options that do not.
        cluster: address and GPUs per worker of the Ray cluster; None: this machine does the work.
    """

    inputs: Sequence[str]
    files_from: str
    recursive: bool
    output: Path | None
    overwrite: bool
    pattern: str
    again: bool
    shard: tuple[int, int]
    limit: int
    dry_run: bool
    watch: bool
    model: str
    detector: str
    preset: Preset
    settings: Mapping[str, Any]
    device: str
    running: Mapping[str, Any]
    enlarging: Mapping[str, Any]
    restoring: Mapping[str, Any]
    spread: Mapping[str, Any]
    cluster: Mapping[str, Any] | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of the results beside the pictures."""
        wanted = (("-compare.png", "compare"), ("-faces", "save_faces"))
        return tuple(ending for ending, option in wanted if self.restoring[option])

    @property
    def folder(self) -> Path | None:
        """The folder for the results; None if they lie beside the pictures, or there is one file."""
        output = self.output
        return output if output and (output.suffix.lower() not in WRITABLE or output.is_dir()) else None

    @property
    def job_options(self) -> list[str]:
        """The given options that only jobs have."""
        given = (
            ("--shard", self.shard != (1, 1)),
            ("--again", self.again),
            ("--watch", self.watch),
            ("--engine ray", self.cluster is not None),
        )
        return [option for option, is_given in given if is_given]

    def check(self) -> None:
        """Check that the options fit together, before any work.

        Raises:
            SettingsError: they do not, or a setting is out of range.
        NoPictureError: there is no such mask.
        """
        change_settings(self.preset.settings, dict(self.settings))
        self.restoring["areas"].require()
        for option in (*self.job_options, *(["--pattern"] if self.pattern else ())):
            if self.folder is None:
                raise SettingsError(f"{option} needs a folder for the results; add --output FOLDER.")
        self.check_places([*self.inputs, str(self.output or "")])
        for option, is_given in (("--shard", self.shard != (1, 1)), ("--watch", self.watch)):
            if self.cluster is not None and is_given:
                raise SettingsError(f"--engine ray and {option} do not go together; leave one of them out.")
        together = (("--dry-run", self.dry_run), ("--limit", self.limit), ("--files-from", self.files_from))
        for option, is_given in together:
            if self.watch and is_given:
                raise SettingsError(f"--watch and {option} do not go together; leave one of them out.")

    def check_places(self, names: Iterable[str]) -> None:
        """Check that the engine reaches all of these.

        Raises:
            SettingsError: there is a URL among them, and this machine does the work.
            StorageError: the URL holds credentials.
        """
        url = next((name for name in names if is_url(name)), None)
        if url and self.cluster is None:
            raise SettingsError(f"{Place.of(url)} is a URL; add --engine ray, which also works on one machine.")

    def is_job(self, jobs: Sequence[Job]) -> bool:
        """Whether to keep a journal."""
        if self.folder is None:
            return False
        return bool(self.job_options) or len(jobs) >= FEWEST or (self.folder / FILE).is_file()

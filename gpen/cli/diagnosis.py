"""Checks of `gpen doctor`: each adds facts and advice, and never fails itself."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...weights import places, store
from ..versions import installed_version
from .demo import EXAMPLE
from .packages import OPTIONAL, check_package, commands, find_conflicts, required_packages

ROOT = Path(__file__).resolve().parents[2]
# The largest official generators need this much space.
_LITTLE_ROOM = 1e9


@dataclass
class Diagnosis:
    """Results of all checks.

    Attributes:
        facts: JSON-serialisable facts by section.
        broken: faults that prevent restoring, one sentence each.
        advice: what to do next, one sentence each, most important first.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether faces can be restored here."""
        return not self.broken

    def advise(self, *sentences: str) -> None:
        """Add advice, each sentence once."""
        self.advice.extend(sentence for sentence in sentences if sentence and sentence not in self.advice)


def examine() -> Diagnosis:
    """Run all checks and restore the example portrait. Nothing is downloaded."""
    diagnosis = Diagnosis()
    diagnosis.facts["python"] = {
        "version": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
    }
    examine_packages(diagnosis)
    examine_folders(diagnosis)
    # The other checks need the packages, and would only fail for the same reason.
    if diagnosis.works:
        examine_devices(diagnosis)
        examine_models(diagnosis)
    if diagnosis.works:
        try_restoring(diagnosis)
    if diagnosis.works:
        diagnosis.advise("`gpen demo` restores the example portrait, `gpen restore PHOTO` your own.")
    return diagnosis


def examine_packages(diagnosis: Diagnosis) -> None:
    """Import all required packages, and look for incompatible ones."""
    checks = [check_package(package) for package in required_packages()]
    for check in checks:
        if check.problem:
            diagnosis.broken.append(f"{check.name} cannot be imported: {check.reason}.")
        diagnosis.advise(check.advice)
    diagnosis.advise(*find_conflicts())
    diagnosis.facts["packages"] = [asdict(check) for check in checks]
    diagnosis.facts["extras"] = [
        {"name": name, "version": installed_version(name), "purpose": purpose} for name, purpose in OPTIONAL
    ]


def examine_devices(diagnosis: Diagnosis) -> None:
    """List the devices that torch can use, with their memory in bytes."""
    import torch

    devices: list[dict[str, Any]] = []
    for kind in ("cuda", "xpu"):
        backend = getattr(torch, kind, None)
        if backend is None or not backend.is_available():
            continue
        for index in range(backend.device_count()):
            device = backend.get_device_properties(index)
            devices.append({"device": f"{kind}:{index}", "name": device.name, "memory": device.total_memory})
    if torch.backends.mps.is_available():
        devices.append({"device": "mps", "name": "Apple GPU", "memory": None})
    if not devices and shutil.which("nvidia-smi"):
        diagnosis.advise(
            f"An NVIDIA driver is installed, but torch {torch.__version__} cannot use it; "
            "https://pytorch.org/get-started/locally gives the command to install a torch that can."
        )
    processor = platform.processor() or platform.machine()
    name = f"{processor}, {torch.get_num_threads()} threads"
    diagnosis.facts["devices"] = [*devices, {"device": "cpu", "name": name, "memory": None}]


def examine_models(diagnosis: Diagnosis) -> None:
    """List the models on this machine; advise downloading the official generator if there is only the bundled one."""
    found = [(model, model.record) for model in store.installed() if model.record]
    diagnosis.facts["models"] = [
        {
            "name": record.name,
            "kind": record.kind,
            "path": str(model.path),
            "bundled": record.bundled,
            "verified": model.verified,
        }
        for model, record in found
    ]
    for kind in ("generator", "detector"):
        if not any(record.kind == kind for _, record in found):
            diagnosis.broken.append(f"There is no {kind} on this machine, not even the bundled one.")
            reinstall = commands(("install --force-reinstall --no-deps gpen-blocks",))
            diagnosis.advise(f"The package is incomplete; {reinstall}.")
    if all(record.bundled for _, record in found if record.kind == "generator"):
        diagnosis.advise(
            "Only the small bundled generator is here; `gpen models download gpen-bfr-512` downloads the official "
            "one, which gives better results (284 MB, non-commercial licence)."
        )


def examine_folders(diagnosis: Diagnosis) -> None:
    """List the model folders and their free space, and find out whether this is inside ComfyUI."""
    downloads = places.download_folder("generator")
    free = shutil.disk_usage(next(folder for folder in (downloads, *downloads.parents) if folder.exists())).free
    diagnosis.facts["folders"] = {
        "package": str(ROOT),
        "comfyui": str(ROOT.parents[1]) if ROOT.parent.name == "custom_nodes" else None,
        "models": [str(folder) for folder in store.search_folders("generator")],
        "downloads": str(downloads),
        "free_bytes": free,
        "cache": str(places.cache_folder()),
    }
    if free < _LITTLE_ROOM:
        diagnosis.advise(
            f"Only {free / 1e6:.0f} MB are free in {downloads}; set {places.FOLDER_VARIABLE} to a larger disk."
        )


def try_restoring(diagnosis: Diagnosis) -> None:
    """Restore the example portrait on the best device, and on the CPU if that fails."""
    trials: list[dict[str, Any]] = []
    for device in ("auto", "cpu"):
        start = time.perf_counter()
        trial: dict[str, Any] = {"device": device, "model": None, "problem": ""}
        try:
            from ..restorer import Restorer

            restorer = Restorer(device=device)
            trial |= {"device": str(restorer.device), "model": restorer.generator.name}
            if not restorer.restore(EXAMPLE).faces:
                trial["problem"] = "the face in the example portrait was not found"
        # Any failure here is what the doctor has to report.
        except Exception as error:
            trial["problem"] = " ".join(f"{type(error).__name__}: {error}".split())
        trials.append(trial | {"seconds": round(time.perf_counter() - start, 2)})
        if not trial["problem"] or trial["device"] == "cpu":
            break
    diagnosis.facts["trials"] = trials
    if trials[-1]["problem"]:
        diagnosis.broken.append(f"Restoring the example portrait failed: {trials[-1]['problem'].rstrip('.')}.")
        diagnosis.advise("`gpen models verify` finds damaged model files.")
    elif len(trials) > 1:
        diagnosis.advise(f"{trials[0]['device']} fails but the CPU works: use `--device cpu`, and update the driver.")

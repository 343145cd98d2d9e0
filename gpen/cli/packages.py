"""Checks of required packages, and the commands that repair broken ones."""

from __future__ import annotations

import importlib
import importlib.metadata as metadata
import importlib.util
import re
import sys
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from ..versions import installed_version, required_distributions

# Module to import as a test, if its name differs from the distribution's.
_MODULES = {
    "opencv-python": "cv2",
    "safetensors": "safetensors.torch",
    "huggingface-hub": "huggingface_hub",
    "pillow": "PIL.Image",
    "matplotlib": "matplotlib.backends.backend_agg",
}
OPTIONAL = (
    ("pillow-heif", "reads HEIC pictures, such as those of iPhones"),
    ("openvino", "runs the generator faster on many processors (needs onnx)"),
    ("onnxruntime", "runs GPEN in ONNX form, and the generator faster on some processors (needs onnx)"),
    ("onnx", "writes the generator as ONNX (gpen models export)"),
    ("pyarrow", "reads tables of faces, for training and evaluation, and pictures in object stores"),
    ("av", "reads and writes videos (gpen video)"),
    ("ray", "restores on many machines (gpen restore --engine ray)"),
    ("accelerate", "trains (gpen train)"),
    ("tensorboard", "shows the curves of a training run"),
    ("torchvision", "provides the networks of LPIPS and of the perceptual loss"),
    ("facexlib", "provides the face recognition network for training and evaluation"),
    ("torchmetrics", "measures SSIM, MS-SSIM and LPIPS (gpen evaluate)"),
    ("torch-fidelity", "measures FID"),
)
# These all install the same module, cv2, and overwrite each other.
_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)

# Arguments of pip, in steps.
_INSTALL = ("install {name}",)
_REINSTALL = ("install --force-reinstall --no-deps {name}",)
_REINSTALL_TORCHVISION = ("uninstall -y torchvision", "install torchvision {torch}")
_WITHOUT_DESKTOP = ("uninstall -y opencv-python", "install opencv-python-headless")
# Patterns of import errors, their meaning, and the steps to repair them.
_REMEDIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        r"torchvision::nms|torchvision.*undefined symbol",
        "torchvision was built for another torch",
        _REINSTALL_TORCHVISION,
    ),
    (r"libGL\.so|libgthread|libglib", "OpenCV needs desktop libraries", _WITHOUT_DESKTOP),
    (
        r"NumPy 1\.x|_ARRAY_API|numpy\.core\.multiarray|dtype size",
        "it was built for another numpy",
        _REINSTALL,
    ),
    (
        r"DLL load failed|WinError 126",
        "a system library is missing, perhaps https://aka.ms/vs/17/release/vc_redist.x64.exe",
        _REINSTALL,
    ),
)


@dataclass(frozen=True)
class PackageCheck:
    """One package.

    Attributes:
        name: name of the distribution.
        version: installed version, or None.
        problem: error of its import; empty if it works.
        reason: meaning of the error.
        advice: what to do, as a sentence with commands; empty if nothing needs to be done.
    """

    name: str
    version: str | None
    problem: str = ""
    reason: str = ""
    advice: str = ""


def required_packages() -> tuple[Requirement, ...]:
    """The packages that this one requires on this machine."""
    declared = map(Requirement, required_distributions())
    return tuple(one for one in declared if one.marker is None or one.marker.evaluate({"extra": ""}))


def check_package(requirement: Requirement) -> PackageCheck:
    """Import a required package, and advise what to do if that fails."""
    name = requirement.name
    module, version = _MODULES.get(name, name), installed_version(name)
    if name == "opencv-python":
        version = next((found for found in map(installed_version, _OPENCV) if found), None)
    try:
        importlib.import_module(module)
    # A broken binary may raise anything: ImportError, OSError, RuntimeError, AttributeError.
    except Exception as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
        reason, steps = explain(error, module)
        return PackageCheck(name, version, problem, reason, f"{name}: {reason}; {commands(steps, name)}.")
    if version and not requirement.specifier.contains(version, prereleases=True):
        upgrade = commands(("install --upgrade {name}",), name)
        return PackageCheck(
            name, version, advice=f"{name} {version} is unsuitable, {requirement.specifier} is needed; {upgrade}."
        )
    return PackageCheck(name, version)


def explain(error: Exception, module: str) -> tuple[str, tuple[str, ...]]:
    """Meaning of an error at the import of `module`, and the pip steps that repair it."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        if missing != module.partition(".")[0]:
            return f"it needs {missing}, which is not installed", (f"install {missing}",)
        if error.name == missing:
            return "it is not installed", _INSTALL
    for pattern, reason, steps in _REMEDIES:
        if re.search(pattern, str(error)):
            return reason, steps
    return "it is damaged", _REINSTALL


def find_conflicts() -> tuple[str, ...]:
    """Incompatible packages, although each can be imported: one sentence with commands for each conflict."""
    conflicts = []
    opencv = [name for name in _OPENCV if installed_version(name)]
    if len(opencv) > 1:
        steps = (f"uninstall -y {' '.join(opencv)}", "install opencv-python")
        conflicts.append(f"{len(opencv)} OpenCV packages overwrite each other; keep one: {commands(steps)}.")
    torch, torchvision = installed_version("torch"), installed_version("torchvision")
    wanted = _torch_wanted() if torch and torchvision else None
    if torch and wanted and not wanted.contains(torch, prereleases=True):
        conflicts.append(
            f"torchvision {torchvision} needs torch {wanted}, but torch is {torch}; {commands(_REINSTALL_TORCHVISION)}."
        )
    return tuple(conflicts)


def _torch_wanted() -> SpecifierSet | None:
    """The releases of torch that torchvision requires."""
    requirements = map(Requirement, metadata.requires("torchvision") or ())
    return next((one.specifier for one in requirements if one.name == "torch"), None)


def commands(steps: tuple[str, ...], name: str = "") -> str:
    """The steps as commands for this Python interpreter, joined to a phrase."""
    version = installed_version("torch") or ""
    torch = f"torch=={version}" if version else "torch"
    if build := version.partition("+")[2]:
        torch += f" --extra-index-url https://download.pytorch.org/whl/{build}"
    return ", then ".join(f"`{_pip()} {step.format(name=name, torch=torch)}`" for step in steps)


def _pip() -> str:
    if importlib.util.find_spec("pip") is None:
        return "uv pip"
    return f'"{sys.executable}" -m pip' if " " in sys.executable else f"{sys.executable} -m pip"

"""What importing and packaging promise, checked in fresh interpreters and against the tree."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import gpen_blocks
from gpen_blocks.gpen.versions import required_distributions
from gpen_blocks.weights.toml import tomllib

ROOT = Path(__file__).resolve().parents[1]


def run(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_needs_no_network_and_no_heavy_module():
    """A menu that is drawn, or `gpen --help`, must not download or import torch, OpenCV or facexlib."""
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network touched at import')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import gpen_blocks, gpen_blocks.gpen.cli\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'cv2', 'facexlib', 'torchvision', 'huggingface_hub', 'rich', "
        "'pydantic', 'matplotlib') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_files_are_planned_and_recognised_without_torch():
    """Which pictures there are and where results go is known at once; importing torch takes seconds."""
    code = (
        "import sys, gpen_blocks.gpen.jobs.plan, gpen_blocks.gpen.images.kinds\n"
        "print('torch' in sys.modules)\n"
        "from gpen_blocks.gpen import images\n"
        "assert all(getattr(images, name) is not None for name in images.__all__)\n"
        "print('torch' in sys.modules, hasattr(images, 'read_everything'))"
    )
    assert run(code).splitlines() == ["False", "True False"]


# What takes seconds to import, and one photograph has no use for.
SLOW = (
    *("torchvision", "facexlib", "scipy", "numba", "filterpy", "sympy", "matplotlib", "rich", "skimage"),
    *("torch._dynamo", "torch._inductor", "torch.fx.experimental.symbolic_shapes", "triton"),
    *("openvino", "onnxruntime", "onnx", "accelerate", "huggingface_hub.file_download", "httpx"),
)


# One photograph by the library and by commands, and what of a list has been imported after each step.
STEPS = """
import json, sys
example, folder, *slow = sys.argv[1:]
found = {}
def told(step):
    found[step] = [name for name in slow if name in sys.modules]
from gpen_blocks import Restorer
found["import"] = [name for name in ("facexlib", "torchvision", "huggingface_hub") if name in sys.modules]
import numpy as np
from PIL import Image
assert len(Restorer().restore(np.asarray(Image.open(example))).faces) == 1
told("library")
from gpen_blocks.gpen.cli.commands import app
for step, *words in (
    ("restore", "-o", folder + "/restored.jpg", "--report", folder + "/report.json"),
    ("restore", "-o", folder + "/natural.png", "--preset", "natural"),
    ("detect", "-o", folder + "/faces.jpg"),
):
    app([step, example, *words], standalone_mode=False)
    told(" ".join([step, *words[2:3]]))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_one_photograph_imports_nothing_that_it_has_no_use_for(tmp_path):
    """All in one interpreter: what is not there at the end was not there before."""
    example = ROOT / "examples" / "portrait-degraded.jpg"
    found = json.loads(run(STEPS, str(example), str(tmp_path), *SLOW).splitlines()[-1])
    steps = ("import", "library", "restore --report", "restore --preset", "detect")
    assert found == {step: [] for step in steps}
    assert {path.name for path in tmp_path.iterdir()} == {"restored.jpg", "report.json", "natural.png", "faces.jpg"}


def test_what_people_import_is_at_the_root_and_light():
    """To catch an error or to name a setting, nothing heavy is imported."""
    code = (
        "import sys; from gpen_blocks import GPENError, Settings\n"
        "from gpen_blocks.gpen.errors import SettingsError\n"
        "assert issubclass(SettingsError, GPENError)\n"
        "try: Settings(strength=2)\n"
        "except GPENError as error: print(error)\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'cv2', 'typer') if m in sys.modules])"
    )
    assert run(code).splitlines() == ["strength is 2.0, and must lie between 0 and 1.", "[]"]
    for name in gpen_blocks.__all__:
        assert getattr(gpen_blocks, name) is not None


@pytest.mark.slow
def test_the_wheel_holds_what_the_tree_holds(tmp_path):
    """Code and data, and the mark that tells type checkers that the package is typed."""
    listed = subprocess.run(
        ["git", "-c", "core.quotepath=off", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so nothing says what belongs to it")
    files = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    tree = tmp_path / "tree"
    for name in files:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    code = f"from setuptools import build_meta; print(build_meta.build_wheel({str(tmp_path)!r}))"
    built = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-3000:]
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    shown = re.compile(
        r"__init__\.py|py\.typed|(gpen|nodes|weights)/.*|(presets|subgraphs)/.*\.json|locales/.*|example_workflows/.*"
        r"|examples/[^/]*\.(jpg|png|mp4)"
    )
    missing = {name for name in files if shown.fullmatch(name) and f"gpen_blocks/{name}" not in held}
    assert not missing
    assert "gpen_blocks/py.typed" in held


def test_every_package_folder_is_in_the_wheel():
    """The root is the package, so packages are listed by hand; a forgotten one would be missing from the wheel."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"])
    found = {"gpen_blocks"}
    for top in ("gpen", "weights", "nodes"):
        for init in (ROOT / top).rglob("__init__.py"):
            found.add(".".join(("gpen_blocks", *init.parent.relative_to(ROOT).parts)))
    assert found == listed


def test_requirements_leave_torch_to_comfyui():
    """requirements.txt is the wheel's list without torch, which belongs to ComfyUI."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    named = {str(Requirement(line)) for line in lines if line and not line.startswith("#")}
    wanted = {str(one) for one in map(Requirement, required_distributions()) if one.name != "torch"}
    assert named == wanted


def test_unknown_attribute_is_an_attribute_error():
    assert not hasattr(gpen_blocks, "restore_everything")

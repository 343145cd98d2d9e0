"""What importing and packaging promise, checked in fresh interpreters and against the tree."""

import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import gpen_blocks
from gpen_blocks.gpen.versions import required_distributions
from gpen_blocks.weights.toml import tomllib

ROOT = Path(__file__).resolve().parents[1]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
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


def test_restorer_import_leaves_detection_libraries_alone():
    """`from gpen_blocks import Restorer` may import torch, not facexlib and torchvision, which take seconds."""
    code = (
        "import sys; from gpen_blocks import Restorer\n"
        "print([m for m in ('facexlib', 'torchvision', 'huggingface_hub') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


# What takes seconds to import, and one photograph has no use for.
SLOW = (
    *("torchvision", "facexlib", "scipy", "numba", "filterpy", "sympy", "matplotlib", "rich", "skimage"),
    *("torch._dynamo", "torch._inductor", "torch.fx.experimental.symbolic_shapes", "triton"),
    *("openvino", "onnxruntime", "onnx", "accelerate", "huggingface_hub.file_download", "httpx"),
)


@pytest.mark.parametrize(
    "command",
    [
        ("restore", "{example}", "-o", "{folder}/restored.jpg", "--report", "{folder}/report.json"),
        ("restore", "{example}", "-o", "{folder}/natural.png", "--preset", "natural"),
        ("detect", "{example}", "-o", "{folder}/faces.jpg"),
    ],
    ids=lambda command: " ".join(command[:1] + command[4:]),
)
def test_one_photograph_imports_nothing_that_it_has_no_use_for(command, tmp_path):
    example = ROOT / "examples" / "portrait-degraded.jpg"
    words = [word.format(example=example, folder=tmp_path) for word in command]
    code = (
        f"import sys; sys.argv = ['gpen', *{words!r}]\n"
        "from gpen_blocks.gpen.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end\n"
        f"print('imported:', [m for m in {SLOW!r} if m in sys.modules])"
    )
    assert run(code).splitlines()[-1] == "imported: []"
    assert list(tmp_path.iterdir())


def test_neither_does_the_library():
    code = (
        "import sys; from gpen_blocks import Restorer\n"
        "import numpy as np; from PIL import Image\n"
        f"picture = np.asarray(Image.open({str(ROOT / 'examples' / 'portrait-degraded.jpg')!r}))\n"
        "assert len(Restorer().restore(picture).faces) == 1\n"
        f"print('imported:', [m for m in {SLOW!r} if m in sys.modules])"
    )
    assert run(code).splitlines()[-1] == "imported: []"


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

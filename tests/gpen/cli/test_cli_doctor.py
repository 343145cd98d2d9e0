"""`gpen doctor`: what it finds, what it advises, and what its exit code says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from typer.testing import CliRunner

from gpen_blocks.gpen import restorer, versions
from gpen_blocks.gpen.cli import diagnosis, packages
from gpen_blocks.gpen.cli.doctor import doctor
from gpen_blocks.gpen.errors import SettingsError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """A user without models, caches or downloads of their own."""
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "models"))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "MODELSCOPE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))


def run(*arguments):
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, arguments)


def add_distribution(folder, name, version, *requirements):
    """A distribution as pip leaves it on the disk, its modules aside."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.slow
def test_a_working_installation_passes(tmp_path):
    """It lists packages, devices, the bundled models and folders as JSON, restores the example, and exits with 0."""
    result = run("--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 0, facts["broken"]
    assert facts["works"]
    assert {p["name"] for p in facts["packages"]} == {one.name for one in packages.required_packages()}
    assert all(p["version"] and not p["problem"] for p in facts["packages"])
    assert facts["devices"][-1]["device"] == "cpu"
    bundled = {"gpen-lite-256", "gpen-colorize-lite", "gpen-inpaint-lite", "gpen-draw-lite"}
    bundled |= {"face-detector-lite", "face-classifier-lite", "face-landmarks-lite"}
    assert {m["name"] for m in facts["models"] if m["bundled"]} == bundled
    assert facts["folders"]["downloads"] == str(tmp_path / "models")
    assert facts["folders"]["free_bytes"] > 0
    assert facts["trials"][-1]["model"]
    assert not facts["trials"][-1]["problem"]
    assert "gpen models download gpen-bfr-512" in " ".join(facts["next"])
    assert "gpen demo" in facts["next"][-1]
    assert not (tmp_path / "models").exists(), "the doctor only looks"


@pytest.mark.slow
def test_the_tables_say_the_same(monkeypatch):
    """Without --json people read names, versions, and numbered advice."""
    monkeypatch.setenv("COLUMNS", "200")
    text = run().stdout
    for word in (
        "torchvision",
        "opencv-python",
        "gpen-lite-256",
        "cpu",
        "Restoring works",
        "1. ",
        "gpen demo",
    ):
        assert word in text


@pytest.mark.slow
def test_missing_torch_is_told_not_raised(tmp_path):
    """Without torch the command still runs: exit code 1, the reason, and the command that installs it."""
    program = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['gpen', 'doctor', '--json']\n"
        "from gpen_blocks.gpen.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    facts = json.loads(result.stdout)
    assert not facts["works"]
    assert any("torch cannot be imported" in sentence for sentence in facts["broken"])
    assert any(re.search(r"pip install (--\S+ )*torch`", sentence) for sentence in facts["next"])
    assert "trials" not in facts


def test_a_failed_restoration_is_an_error(monkeypatch, tmp_path):
    """Where packages import and restoring fails all the same, the exit code says so."""
    monkeypatch.setattr(diagnosis, "EXAMPLE", tmp_path / "none.jpg")
    result = run("--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 1
    assert "none.jpg" in facts["broken"][0]
    assert "gpen models verify" in " ".join(facts["next"])


@pytest.mark.slow
def test_a_device_that_fails_is_told_from_an_installation_that_fails(monkeypatch):
    """Where only the best device fails, restoring works, and the advice is to use the CPU."""
    select = restorer.select_device

    def select_or_fail(name="auto"):
        if name == "auto":
            raise SettingsError("The driver is too old.")
        return select(name)

    monkeypatch.setattr(restorer, "select_device", select_or_fail)
    result = run("--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [bool(trial["problem"]) for trial in facts["trials"]] == [True, False]
    assert "--device cpu" in " ".join(facts["next"])


@pytest.mark.parametrize(
    ("error", "module", "reason", "command"),
    [
        (
            RuntimeError("operator torchvision::nms does not exist"),
            "torchvision",
            "another torch",
            "torchvision",
        ),
        (
            ImportError("libGL.so.1: cannot open shared object file"),
            "cv2",
            "desktop",
            "opencv-python-headless",
        ),
        (ImportError("numpy.core.multiarray failed to import"), "cv2", "another numpy", "--force-reinstall"),
        (ValueError("numpy.dtype size changed, may indicate"), "cv2", "another numpy", "--force-reinstall"),
        (OSError("[WinError 126] The specified module"), "torch", "vc_redist", "--force-reinstall"),
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "cv2", "not installed", "install {name}"),
        (
            ModuleNotFoundError("No module named 'scipy'", name="scipy"),
            "facexlib.detection",
            "scipy",
            "install scipy",
        ),
        (
            ModuleNotFoundError("No module named 'torch._C'", name="torch._C"),
            "torch",
            "damaged",
            "--force-reinstall",
        ),
        (AttributeError("anything"), "torch", "damaged", "--force-reinstall"),
    ],
)
def test_import_errors_are_explained(error, module, reason, command):
    """The errors people paste into issue trackers get a cause and a command."""
    said, steps = packages.explain(error, module)
    assert reason in said
    assert command in " ".join(steps)


def test_doubled_opencv_is_found(tmp_path, monkeypatch):
    """Two OpenCV packages overwrite each other's module: both are named, and one install is advised."""
    add_distribution(tmp_path, "opencv-python", "4.10.0.84")
    add_distribution(tmp_path, "opencv-python-headless", "4.9.0.80")
    monkeypatch.syspath_prepend(str(tmp_path))
    advice = " ".join(packages.find_conflicts())
    assert "uninstall -y opencv-python opencv-python-headless" in advice
    assert "install opencv-python`" in advice


@pytest.mark.parametrize(
    ("torch", "requirement", "fits"),
    [
        ("2.9.0+cu126", "torch==2.9.0", True),
        ("2.9.1", "torch==2.9.0", False),
        ("2.10.0", "torch (==2.9.0)", False),
        ("2.15.0", "torch (>=2.14.0)", True),
        ("2.13.0", "torch>=2.14.0", False),
    ],
)
def test_a_torchvision_for_another_torch_is_found(tmp_path, monkeypatch, torch, requirement, fits):
    """torchvision names the torch it was built for; a pair that does not match is advised to be reinstalled."""
    add_distribution(tmp_path, "torch", torch)
    add_distribution(tmp_path, "torchvision", "0.24.0", requirement)
    monkeypatch.syspath_prepend(str(tmp_path))
    advice = " ".join(packages.find_conflicts())
    assert (f"torch=={torch}" in advice) == (not fits)


def test_an_old_package_is_advised_to_be_upgraded(tmp_path, monkeypatch):
    """A package below the oldest release that will do is named with its upgrade."""
    add_distribution(tmp_path, "rich", "12.6.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    check = packages.check_package(Requirement("rich>=13"))
    assert ">=13 is needed" in check.advice
    assert "install --upgrade rich" in check.advice


def test_commands_are_for_this_python(tmp_path, monkeypatch):
    """Several Pythons on a machine (ComfyUI's own, say) must not be mixed up; CUDA builds keep their index."""
    add_distribution(tmp_path, "torch", "2.9.0+cu126")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = packages.commands(("uninstall -y torchvision", "install torchvision {torch}"))
    assert said.count(sys.executable) == 2 or said.count("uv pip") == 2
    assert "torch==2.9.0+cu126 --extra-index-url https://download.pytorch.org/whl/cu126" in said


def test_required_packages_are_those_of_pyproject(tmp_path, monkeypatch):
    """The doctor's list is the one the package is installed with, in a checkout and in a wheel."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\ndependencies = [")[1].split("]")[0]
    declared = set(re.findall(r'"([\w-]+>=[\d.]+)"', block))
    assert "torch>=2.4" in declared
    assert {str(one) for one in packages.required_packages()} == declared
    monkeypatch.setattr(versions, "_PROJECT", tmp_path / "pyproject.toml")
    extras = ["openvino>=2024.4; extra == 'openvino'", "tomli>=2; python_version < '3'"]
    monkeypatch.setattr(versions.metadata, "requires", lambda name: ["torch>=2.4", *extras])
    assert [str(one) for one in packages.required_packages()] == ["torch>=2.4"]

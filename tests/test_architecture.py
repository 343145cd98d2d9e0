"""ARCHITECTURE.md is true: its tree is the tree, and real runs take its walks."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import torch
from walks import calls_recorded, first_not_taken, walks_of

from gpen_blocks import Restorer
from gpen_blocks.gpen import models
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import load_networks
from gpen_blocks.weights.toml import tomllib

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
WALKS = walks_of(PAGE)
(IN_COMFYUI, FILE_TO_FILE), (CHECKPOINT,) = WALKS["A walk with one image"], WALKS["A walk with one checkpoint"]
FOLDERS = re.findall(r"^([\w/]+)/  ", PAGE, flags=re.MULTILINE)
PACKAGES = [
    init.parent.relative_to(ROOT).as_posix()
    for top in ("gpen", "weights", "nodes")
    for init in (ROOT / top).rglob("__init__.py")
]


def functions_in(file: str) -> set[str]:
    """Functions and methods of a file, these with their class."""
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_every_folder_of_the_tree_exists():
    assert len(FOLDERS) == len(set(FOLDERS)) > 20
    assert [folder for folder in FOLDERS if not (ROOT / folder).is_dir()] == []


def test_every_package_is_in_the_tree():
    assert set(PACKAGES) - set(FOLDERS) == set()


def test_every_folder_at_the_root_is_in_the_tree():
    listed = subprocess.run(
        ["git", "-c", "core.quotepath=off", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    if listed.returncode:
        pytest.skip("this is no git checkout, so nothing says what belongs to it")
    top = {name.partition("/")[0] for name in listed.stdout.splitlines() if "/" in name and not name.startswith(".")}
    assert top - set(FOLDERS) == set()


def floors() -> dict[str, int]:
    """The layer of each room of `gpen`, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (rooms,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["gpen_blocks.gpen"])
    return {room.strip(): number for number, layer in enumerate(rooms) for room in layer.split("|")}


def test_the_tree_has_the_order_of_the_layers():
    """Each folder may import those below it."""
    rooms = [room for folder in FOLDERS for room in re.findall(r"^gpen/(\w+)$", folder)]
    assert len(rooms) > 10
    assert rooms == sorted(rooms, key=floors().__getitem__)


def test_the_loose_files_are_all_named_in_the_order_of_the_layers():
    (paragraph,) = re.findall(r"^The loose files of `gpen/`.*?\.\n\n", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`([a-z_0-9]+)`", paragraph)
    assert set(named) == {path.stem for path in (ROOT / "gpen").glob("*.py")} - {"__init__"}
    assert named == sorted(named, key=floors().__getitem__)


@pytest.mark.parametrize("walk", [IN_COMFYUI, FILE_TO_FILE, CHECKPOINT], ids=["ComfyUI", "file to file", "checkpoint"])
def test_every_step_is_a_function_that_exists(walk):
    assert len(walk) > 5
    assert [(file, name) for file, name in walk if name not in functions_in(file)] == []


def test_the_picture_of_the_flow_has_the_stages_in_the_order_of_the_walk():
    (picture,) = re.findall(r"```mermaid\n(.*?)```", PAGE, flags=re.DOTALL)
    shown = list(dict.fromkeys(re.findall(r"\b[a-z0-9]+_[a-z0-9_]+\b", picture.split("subgraph restore_batch")[1])))
    called = [name for _, name in IN_COMFYUI]
    assert len(shown) == 7
    assert shown == [name for name in called if name in shown]


@pytest.mark.slow
def test_one_image_walks_as_written(tmp_path):
    restorer = Restorer("gpen-lite-256", "face-detector-lite")
    with calls_recorded() as calls:
        restorer.restore(ROOT / "examples" / "portrait-degraded.jpg").save(tmp_path / "restored.png")
    assert (tmp_path / "restored.png").is_file()
    assert first_not_taken(FILE_TO_FILE, calls) is None
    first = IN_COMFYUI.index(("gpen/pipeline.py", "restore_batch"))
    last = IN_COMFYUI.index(("gpen/faces/change.py", "measure_changes"))
    stages = IN_COMFYUI[first : last + 1]
    assert first_not_taken(stages, calls) is None
    for n in range(1, len(stages) - 1):
        swapped = [*stages[:n], stages[n + 1], stages[n], *stages[n + 2 :]]
        assert first_not_taken(swapped, calls), f"a page that swaps {stages[n]} and {stages[n + 1]} passes, too"


def calls_in(function: ast.FunctionDef, own: dict[str, ast.FunctionDef]) -> list[str]:
    """Names that a function calls, in order; for functions of its own file, the names that those call."""
    calls = sorted(
        (node.lineno, node.col_offset, node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
    )
    return [inner for _, _, name in calls for inner in (calls_in(own[name], own) if name in own else [name])]


def test_the_block_calls_what_the_walk_says():
    """Its two ends, read in the source, since ComfyUI may be absent; tests/comfyui walks it whole."""
    source = ast.parse((ROOT / "nodes" / "restore.py").read_text(encoding="utf-8"))
    placing = ast.parse((ROOT / "nodes" / "placement.py").read_text(encoding="utf-8"))
    shared = [node for node in placing.body if isinstance(node, ast.FunctionDef) and node.name == "networks_of"]
    own = {node.name: node for node in (*source.body, *shared) if isinstance(node, ast.FunctionDef)}
    (block,) = (node for node in source.body if isinstance(node, ast.ClassDef) and node.name == "FaceRestore")
    (execute,) = (node for node in block.body if isinstance(node, ast.FunctionDef) and node.name == "execute")
    called = calls_in(execute, own)
    names = iter(called)
    inside = [name for file, name in IN_COMFYUI if name in called]
    assert len(inside) == 6
    assert all(name in names for name in inside), f"not in this order: {inside}"


@pytest.mark.slow
def test_one_checkpoint_walks_as_written():
    models.cache.clear()
    try:
        with calls_recorded() as calls:
            networks = load_networks("gpen-lite-256", "face-detector-lite", settings=Settings())
            restore_crops(networks.generator.module, torch.full((1, 3, 256, 256), 0.5), place=networks.place)
    finally:
        models.cache.clear()
    assert first_not_taken(CHECKPOINT, calls) is None
    assert first_not_taken(CHECKPOINT[::-1], calls) is not None

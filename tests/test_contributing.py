"""The worked examples of CONTRIBUTING.md do what they promise. `tests/comfyui` tries the block in a real ComfyUI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from caches import shelter_cache
from contributing import ROOT, copy_package, examples, insert

from gpen_blocks.gpen.backends import accelerate, trial
from gpen_blocks.gpen.backends.engine import EngineError
from gpen_blocks.gpen.models import cache, load_generator
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.weights import checkpoint, registry, store
from gpen_blocks.weights.toml import tomllib

EXAMPLES = examples()
CHOOSING = sys.modules[accelerate.__module__]


def locale(language: str) -> dict[str, Any]:
    (node,) = json.loads(f"{{{EXAMPLES[f'locales/{language}/nodeDefs.json']}}}").values()
    return node


def test_the_page_has_the_examples_that_are_tried_here():
    assert set(EXAMPLES) == {
        *("weights/registry.toml", "nodes/count_faces.py", "locales/en/nodeDefs.json", "locales/zh/nodeDefs.json"),
        *("nodes/web/docs/GPENCountFaces.md", "tests/comfyui/test_contract.py"),
        *("gpen/backends/one_by_one_engine.py", "gpen/settings.py", "gpen/settings_zh.py"),
    }


@pytest.mark.slow
def test_the_api_reference_builds_by_the_one_command_of_the_page(tmp_path):
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"`uv run (pdoc gpen_blocks\.gpen .*) -o docs/api`", page)
    assert "/docs/api/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), "-o", str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = {
        *(
            ("restorer", "Restorer.restore"),
            ("stages", "find_faces"),
            ("images", "read_picture"),
            ("faces/detect", "detect"),
        ),
        *(
            ("network", "build_generator"),
            ("detail/bands", "blend"),
            ("detail/spectrum", "analyze"),
            ("models", "cache"),
        ),
    }
    for module, name in shown:
        assert f'id="{name}"' in (tmp_path / "gpen_blocks" / "gpen" / f"{module}.html").read_text("utf-8"), name
    assert (tmp_path / "gpen_blocks" / "weights" / "store.html").is_file()


def test_commands_of_the_page_are_those_of_the_workflow():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8")
    checks = re.findall(r"run: (uv run (?!gpen).*)", workflow)
    assert len(checks) == 5 and all(check in page for check in checks)
    assert "slow: " in str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"])


@pytest.fixture
def larger_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The registry with the example's entry."""
    file = tmp_path / "registry.toml"
    text = registry.REGISTRY_FILE.read_text(encoding="utf-8")
    file.write_text(f"{text}\n{EXAMPLES['weights/registry.toml']}", encoding="utf-8")
    monkeypatch.setattr(registry, "REGISTRY_FILE", file)
    for read in (registry.records, registry._names):
        read.cache_clear()
    yield
    for read in (registry.records, registry._names):
        read.cache_clear()


def test_a_model_that_was_added_is_found_and_runs(larger_registry, tmp_path, monkeypatch):
    tensors = checkpoint.read(store.resolve("gpen-lite-256").path).tensors
    torch.save({"g_ema": tensors}, tmp_path / "my-gpen-256.pth")
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    try:
        model = load_generator("my-gpen-256", backend="eager")
    finally:
        cache.clear()
    assert (model.name, model.task, model.template) == ("my-gpen-256", "restoration", "ffhq")
    assert model.path == tmp_path / "my-gpen-256.pth"
    assert model.module(torch.zeros(1, 3, 256, 256)).shape == (1, 3, 256, 256)
    assert [source.scheme for source in registry.get("my-gpen-256").sources] == ["huggingface", "https"]


class _Socket:
    """Stands for a type of `comfy_api.latest.io`: its inputs and outputs keep what they are told."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def Input(self, name: str, **told: Any) -> dict[str, Any]:  # noqa: N802  # ComfyUI's name
        return {"id": name, "kind": self.kind, **told}

    Output = Input


@pytest.fixture
def count_faces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's block, with the few names of ComfyUI that it uses, since ComfyUI may be absent."""

    class Schema:
        __dataclass_fields__ = dict.fromkeys(
            ("node_id", "display_name", "description", "category", "inputs", "outputs"),
        )

        def __init__(self, **told: Any) -> None:
            vars(self).update(told)

    latest, io = types.ModuleType("comfy_api.latest"), types.ModuleType("io")
    vars(io).update(
        ComfyNode=object, Schema=Schema, Custom=_Socket, Int=_Socket("INT"), NodeOutput=lambda *values: values
    )
    vars(latest).update(io=io)
    ours = [name for name in sys.modules if name.startswith("gpen_blocks.nodes")]
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "comfy_api", types.ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", latest)
    names: dict[str, Any] = {"__name__": "gpen_blocks.nodes.count_faces", "__package__": "gpen_blocks.nodes"}
    exec(compile(EXAMPLES["nodes/count_faces.py"], "count_faces.py", "exec"), names)
    yield names["CountFaces"]
    for name in [name for name in sys.modules if name.startswith("gpen_blocks.nodes")]:
        del sys.modules[name]


def test_a_block_is_what_its_locale_page_and_contract_say(count_faces):
    schema, english, chinese = count_faces.define_schema(), locale("en"), locale("zh")
    assert (schema.display_name, schema.description) == (english["display_name"], english["description"])
    (entry,), (exit_,) = schema.inputs, schema.outputs
    assert english["inputs"] == {entry["id"]: {"name": entry["id"], "tooltip": entry["tooltip"]}}
    assert english["outputs"] == {"0": {"name": exit_["display_name"], "tooltip": exit_["tooltip"]}}
    assert {key: chinese[key].keys() for key in ("inputs", "outputs")} == {
        key: english[key].keys() for key in ("inputs", "outputs")
    }
    page = EXAMPLES["nodes/web/docs/GPENCountFaces.md"]
    assert page.startswith(f"# {schema.display_name}\n") and f"`{entry['id']}`" in page and "`count`" in page
    contract = eval(f"{{{EXAMPLES['tests/comfyui/test_contract.py']}}}")
    assert contract == {schema.node_id: ({entry["id"]: entry["kind"]}, {exit_["display_name"]: exit_["kind"]})}


def test_a_block_calls_the_library(count_faces):
    face = Face((0, 0, 9, 9), 1.0, [[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]])  # type: ignore[arg-type]
    assert count_faces.execute(faces=Faces((face, face), ((10, 10),))) == (2,)


def test_a_backend_gives_the_picture_and_is_named(tmp_path, monkeypatch):
    shelter_cache(monkeypatch, tmp_path)
    names: dict[str, Any] = {
        "__name__": "gpen_blocks.gpen.backends.example",
        "__package__": "gpen_blocks.gpen.backends",
    }
    exec(compile(EXAMPLES["gpen/backends/one_by_one_engine.py"], "one_by_one_engine.py", "exec"), names)
    engine = names["OneByOneEngine"]
    monkeypatch.setitem(CHOOSING._STANDING, "one_by_one", engine)
    model = load_generator("gpen-lite-256", backend="eager")
    chosen = accelerate(model.module, "example", "one_by_one", "fp32", torch.device("cpu"))  # type: ignore[arg-type]
    faces = trial.probe(256).repeat(2, 1, 1, 1)
    with torch.inference_mode():
        restored, truth = chosen.network(faces), model.module(faces)
    assert (chosen.backend, chosen.notes) == ("one_by_one", ())
    assert trial.compare(truth, restored)[1] <= trial.LARGEST_FP32
    with pytest.raises(EngineError, match="not on cuda"):
        engine(model.module, torch.float32, torch.device("cuda"))


@pytest.mark.slow
def test_a_setting_yields_option_widget_preset_and_texts(tmp_path):
    """In a copy of the package, with the page's own command."""
    package = copy_package(tmp_path)
    insert(package / "gpen" / "settings.py", "    landmarks68: InitVar", EXAMPLES["gpen/settings.py"])
    insert(package / "gpen" / "settings_zh.py", '}\n"""Label and help', EXAMPLES["gpen/settings_zh.py"])
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=package, env=environment, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    (command,) = re.findall(r"^uv run python (tools/\S+)$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    run(command)
    told = json.loads(
        run(
            "-c",
            "import json, gpen_blocks\n"
            "from gpen_blocks.gpen.presets import parse_preset, Preset\n"
            "from gpen_blocks.gpen.settings import Settings\n"
            "from gpen_blocks.nodes.block_settings import setting_widgets\n"
            "widget = list(setting_widgets('GPENSavePreset').items())[-1]\n"
            "kept = parse_preset(Preset('mine', settings=Settings(shine=0.5)).to_json()).settings.shine\n"
            "print(json.dumps([gpen_blocks.__file__, widget[0], widget[1].optional, widget[1].tooltip, kept]))",
        )
    )
    sentence = "How much the shine of skin is dampened. 0 leaves it as it is."
    assert told == [str(package / "__init__.py"), "shine", True, sentence, 0.5]
    assert "--shine" in run("-m", "gpen_blocks.gpen.cli", "restore", "--help")
    assert f"| `shine` | 0 to 1 | 0 | {sentence} |" in (package / "docs" / "settings.md").read_text(encoding="utf-8")
    for language, text in (("en", sentence), ("zh", "减弱皮肤反光的程度。0：保持不变。")):
        nodes = json.loads((package / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
        assert nodes["GPENSavePreset"]["inputs"]["shine"]["tooltip"] == text

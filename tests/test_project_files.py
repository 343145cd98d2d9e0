"""Workflows, forms and the changelog, as GitHub and their readers need them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from gpen_blocks.weights.toml import tomllib

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = [GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("bug", "feature")]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *GITHUB.glob("*.md")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def read_yaml(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def commands(workflow: dict[Any, Any]) -> list[str]:
    """What the jobs of a workflow run, those of the workflows that they call included."""
    found: list[str] = []
    for job in workflow["jobs"].values():
        if "uses" in job:
            found += commands(read_yaml(ROOT / job["uses"]))
        found += [step["run"] for step in job.get("steps", ()) if "run" in step]
    return found


def actions(workflow: dict[Any, Any]) -> list[str]:
    return [step["uses"] for job in workflow["jobs"].values() for step in job.get("steps", ()) if "uses" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_runs_what_the_readme_says_runs_the_tests(path: Path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = set(re.findall(r"^(uv run (?:.* )?pytest\b[^#\n]*?)\s*(?:#.*)?$", readme, flags=re.MULTILINE))
    assert line in commands(read_yaml(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_runs_the_linters(path: Path):
    wanted = {f"uv run {check}" for check in ("ruff check", "ruff format --check", "pyright", "lint-imports")}
    assert wanted <= set(commands(read_yaml(path)))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path):
    used = actions(read_yaml(path))
    assert used
    assert [use for use in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", use)] == []


def test_checks_run_where_users_are():
    """YAML reads `on` as true."""
    workflow = read_yaml(GITHUB / "workflows" / "checks.yml")
    assert {"pull_request", "push", "workflow_call"} <= workflow[True].keys()
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "windows-latest", "macos-latest"]
    supported = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert matrix["python"] == supported
    assert PROJECT["project"]["requires-python"] == f">={supported[0]}"


def test_nothing_is_published_without_the_checks_and_without_a_tag():
    workflow = read_yaml(GITHUB / "workflows" / "publish.yml")
    assert workflow[True] == {"push": {"tags": ["v*"]}}
    publishing = [job for job in workflow["jobs"].values() if "REGISTRY_ACCESS_TOKEN" in str(job)]
    (job,) = publishing
    assert workflow["jobs"][job["needs"]]["uses"] == "./.github/workflows/checks.yml"
    assert "always()" not in job["if"]


def test_no_workflow_may_write():
    assert all(read_yaml(path)["permissions"] == {"contents": "read"} for path in WORKFLOWS)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_what_github_takes(path: Path):
    """GitHub shows a form with a fault as nothing at all."""
    form = read_yaml(path)
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes") and field["attributes"]["label"]
        assert (field["type"] in ("dropdown", "checkboxes")) == ("options" in field["attributes"])


def test_a_bug_report_asks_for_what_tells_most():
    assert "gpen doctor --json" in FORMS[0].read_text(encoding="utf-8")


def test_dependabot_watches_packages_and_actions():
    updates = read_yaml(GITHUB / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}


def test_hooks_run_the_checks_of_the_workflow():
    (repo,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    entries = {hook["entry"].removesuffix(" --fix") for hook in repo["hooks"]}
    assert entries == {"uv run ruff check", "uv run ruff format", "uv run lint-imports", "uv run pyright"}


def test_the_promised_names_of_python_exist():
    page = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
    names = re.findall(r"`(gpen_blocks(?:\.\w+)+)`", page)
    assert len(names) > 8
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), attribute)), name


def test_the_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", text, flags=re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert re.findall(r"^## (?!\[)", text, flags=re.MULTILINE) == []
    assert versions == re.findall(r"^\[(.+?)\]: https://", text, flags=re.MULTILINE)
    assert PROJECT["project"]["version"] in versions
    kinds = set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_registry_gets_an_icon_and_a_banner_of_its_sizes():
    """Square of at most 400 pixels, and 21 : 9; addresses lead to files of this repository."""
    comfy = PROJECT["tool"]["comfy"]
    start = f"{PROJECT['project']['urls']['Repository'].replace('github.com', 'raw.githubusercontent.com')}/main/"
    assert comfy["Icon"].startswith(start) and comfy["Banner"].startswith(start)
    with Image.open(ROOT / comfy["Icon"].removeprefix(start)) as icon:
        assert icon.width == icon.height <= 400
    with Image.open(ROOT / comfy["Banner"].removeprefix(start)) as banner:
        assert banner.width * 9 == banner.height * 21

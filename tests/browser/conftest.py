"""ComfyUI's page in a headless Chromium, with this checkout as its only custom node pack.

Needs `COMFYUI_PATH` (see tests/conftest.py), the package playwright and a Chromium on the PATH; skipped with a word
where one of them is missing. Pictures of what was seen are kept in artifacts/, to be looked at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_server import ComfyUI, module_in_comfyui

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
)
START_SECONDS = 180
RUN_SECONDS = 240
# All nodes between the toolbars at the left and the top.
FIT = """
    const { canvas } = app, items = [...app.graph._nodes, ...app.graph._groups];
    const left = Math.min(...items.map(({ pos }) => pos[0])), top = Math.min(...items.map(({ pos }) => pos[1])) - 30;
    const right = Math.max(...items.map(({ pos, size }) => pos[0] + size[0]));
    const bottom = Math.max(...items.map(({ pos, size }) => pos[1] + size[1]));
    const { clientWidth: width, clientHeight: height } = canvas.canvas;
    const scale = Math.min((width - 120) / (right - left), (height - 150) / (bottom - top), 1);
    canvas.ds.scale = scale;
    canvas.ds.offset = [80 / scale - left, 110 / scale - top];
    canvas.setDirty(true, true);
"""


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """The other files have tests of the files themselves."""
    return module_in_comfyui(module_path, parent) if module_path.name.startswith("test_page") else None


class Comfy:
    """The page, and the server behind it."""

    def __init__(self, page: Any, server: ComfyUI, artifacts: Path) -> None:
        self.page = page
        self.server = server
        self.artifacts = artifacts
        self.errors: list[str] = []
        # The frontend has failures of its own.
        page.on("pageerror", lambda error: self.errors.append(str(error)) if _is_extensions(error) else None)
        # A template that names a missing model makes the page ask the internet about it, which is not there.
        page.on("console", lambda entry: self.errors.append(entry.text) if self._is_ours(entry) else None)

    @staticmethod
    def _is_ours(entry: Any) -> bool:
        where = f"{entry.text} {entry.location}"
        return entry.type == "error" and ("gpen" in where.lower() or "extension" in where.lower())

    def open(self, **settings: Any) -> None:
        """Load the page afresh, without its greetings."""
        wanted = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.Persist": False, "Comfy.Locale": "en"}
        for name, value in {**wanted, "Comfy.VueNodes.Enabled": False, **settings}.items():
            self.server.post(f"/settings/{name}", value)
        self.page.goto(self.server.url)
        for ready in (
            "!!window.app?.canvas?.graph && !!window.LiteGraph?.registered_node_types?.GPENSelectFaces",
            "window.app.vueAppReady",
        ):
            self.page.wait_for_function(ready, timeout=START_SECONDS * 1000)
        # The extensions are set up, and the first workflow is there.
        self.page.wait_for_timeout(3000)

    def js(self, body: str, argument: Any = None) -> Any:
        """The value of a JavaScript function's body, which may await; `app` and `given` are there."""
        return self.page.evaluate(f"async (given) => {{ const app = window.app; {body} }}", argument)

    def load(self, name: str) -> dict:
        """Open an example workflow as a file, and the whole of it in sight."""
        workflow = json.loads((ROOT / "example_workflows" / f"{name}.json").read_text(encoding="utf-8"))
        self.js("await app.loadGraphData(given)", workflow)
        self.js(FIT)
        self.page.wait_for_timeout(1000)
        return workflow

    def load_blueprint(self, blueprint: dict) -> None:
        """Open the file of a blueprint, between a node that loads the example and one that saves the result."""
        self.js(
            """
            await app.loadGraphData(given);
            const add = (type, x, y) => {
                const node = LiteGraph.createNode(type);
                node.pos = [x, y];
                app.graph.add(node);
                return node;
            };
            const block = app.graph._nodes[0];
            const load = add("LoadImage", -400, 0), save = add("SaveImage", 500, 0);
            load.widgets.find((each) => each.name === "image").value = "gpen-example.jpg";
            save.title = "The result";
            load.connect(0, block, 0);
            block.connect(0, save, 0);
            app.canvas.ds.scale = 0.8; app.canvas.ds.offset = [600, 200];
            """,
            blueprint,
        )

    def prompt(self) -> dict:
        """What the page would queue, in API form."""
        return self.js("return (await app.graphToPrompt()).output")

    def follow(self, start: Any) -> None:
        """Start a run and wait until it has succeeded."""
        self.js("""
            window.gpenRun = null;
            const { api } = await import(new URL("/scripts/api.js", location.href));
            for (const end of ["execution_success", "execution_error", "execution_interrupted"])
                api.addEventListener(end, (event) => (window.gpenRun ??= [end, event.detail]), { once: true });
        """)
        start()
        self.page.wait_for_function("window.gpenRun", timeout=RUN_SECONDS * 1000)
        end, detail = self.js("return window.gpenRun")
        assert end == "execution_success", detail.get("exception_message")
        # The pictures of the last node are on their way.
        self.page.wait_for_timeout(1500)

    def run(self) -> None:
        self.follow(lambda: self.js("await app.queuePrompt(0, 1)"))

    def pictures(self, title: str) -> list[np.ndarray]:
        """What the node with a title shows, as saved."""
        node = "app.graph._nodes.find((each) => each.title === given)"
        records = self.js(f"return app.nodeOutputs[{node}.id].images", title)
        return [self.server.picture(record) for record in records]

    def keep(self, name: str) -> None:
        self.page.screenshot(path=self.artifacts / f"{name}.png")


def _is_extensions(error: Any) -> bool:
    return "/extensions/" in (error.stack or "")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="NOT TRIED IN A BROWSER: install playwright")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"NOT TRIED IN A BROWSER: none of {', '.join(BROWSERS)} is on the PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def comfy(comfyui: ComfyUI, chromium: Any) -> Iterator[Comfy]:
    artifacts = ROOT / "artifacts"
    artifacts.mkdir(exist_ok=True)
    page = chromium.new_page(viewport={"width": 1700, "height": 1000})
    yield Comfy(page, comfyui, artifacts)
    page.close()
    comfyui.forget_page()

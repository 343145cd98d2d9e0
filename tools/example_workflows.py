"""Writes example_workflows/*.json and subgraphs/*.json from their descriptions in tools/workflows.

    python tools/example_workflows.py http://127.0.0.1:8188

The address is that of a running ComfyUI with this package: it knows the sockets and the defaults of all nodes. It must
be a recent one (0.33 made the files that are there), as an older one lacks some of the nodes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from workflows import TEMPLATES
from workflows.blueprint import BLUEPRINTS
from workflows.client import Client
from workflows.graph import write

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes example_workflows/*.json and subgraphs/*.json.")
    parser.add_argument("url", help="of a running ComfyUI with this package, such as http://127.0.0.1:8188")
    info = Client(parser.parse_args().url).get("/object_info")
    for template in TEMPLATES:
        write(ROOT / "example_workflows" / f"{template.name}.json", template.workflow(info))
    for blueprint in BLUEPRINTS:
        write(ROOT / "subgraphs" / f"{blueprint.name}.json", blueprint.workflow(info))


if __name__ == "__main__":
    main()

"""Writes locales/en/nodeDefs.json: the texts of the nodes, as the basis for translations.

    python tools/english_locale.py http://127.0.0.1:8188

The address is that of a running ComfyUI with this package.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from comfyui_client import Client
from object_info import Info, inputs_of

FILE = Path(__file__).resolve().parents[1] / "locales" / "en" / "nodeDefs.json"


def texts(info: Info) -> dict[str, Any]:
    """The texts of this package's nodes, in the form of ComfyUI's locale files."""
    return {
        node_id: {
            "display_name": about["display_name"],
            "description": about["description"],
            "inputs": {
                entry.name: _named(entry.options.get("display_name") or entry.name, entry.options["tooltip"])
                for entry in inputs_of(about)
            },
            "outputs": {
                str(index): _named(name, tooltip)
                for index, (name, tooltip) in enumerate(
                    zip(about["output_name"], about["output_tooltips"], strict=True)
                )
            },
        }
        for node_id, about in info.items()
        if node_id.startswith("GPEN")
    }


def _named(name: str, tooltip: str) -> dict[str, str]:
    return {"name": name, "tooltip": tooltip}


def render(entry: Any, indent: str = "") -> str:
    """JSON with one line for each input and output, so that two languages can be read side by side."""
    if not isinstance(entry, dict) or not entry:
        return json.dumps(entry, ensure_ascii=False)
    if entry.keys() == {"name", "tooltip"}:
        return "{ " + ", ".join(f"{json.dumps(key)}: {render(value)}" for key, value in entry.items()) + " }"
    inner = f"{indent}  "
    lines = (f"{inner}{json.dumps(key)}: {render(value, inner)}" for key, value in entry.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes locales/en/nodeDefs.json.")
    parser.add_argument("url", help="of a running ComfyUI with this package, such as http://127.0.0.1:8188")
    info = Client(parser.parse_args().url).get("/object_info")
    FILE.write_text(f"{render(texts(info))}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

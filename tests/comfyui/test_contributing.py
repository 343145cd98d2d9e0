"""The block of CONTRIBUTING.md in ComfyUI's own Python, put where the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import comfyui_folder, run_in_comfyui
from contributing import copy_package, examples, insert

_RUN = """
import asyncio, json, sys

comfyui, packages = sys.argv.pop(1), sys.argv.pop(1)
sys.path[:0] = [comfyui, packages]
import comfy.options
comfy.options.enable_args_parsing()
import gpen_blocks
from gpen_blocks.gpen.types import Face, Faces

async def nodes():
    return await (await gpen_blocks.comfy_entrypoint()).get_node_list()

(node,) = [node for node in asyncio.run(nodes()) if node.GET_SCHEMA().node_id == "GPENCountFaces"]
face = Face((0, 0, 9, 9), 1.0, [[1, 1], [3, 1], [2, 2], [1, 3], [3, 3]])
info = node.GET_NODE_INFO_V1()
print("ADDED", json.dumps({"info": info, "count": node.execute(Faces((face, face), ((10, 10),))).args[0]}))
"""


@pytest.mark.slow
def test_a_block_that_was_added_is_offered_and_runs(tmp_path: Path):
    comfyui, base = comfyui_folder(), tmp_path / "base"
    package, written = copy_package(tmp_path), examples()
    (package / "nodes" / "count_faces.py").write_text(written["nodes/count_faces.py"], encoding="utf-8")
    extension = package / "nodes" / "extension.py"
    insert(extension, "from .detect import", "from .count_faces import CountFaces\n")
    insert(extension, "    SavePreset,\n)", "    CountFaces,\n")
    for name in ("models", "input", "output", "temp", "user", "custom_nodes"):
        (base / name).mkdir(parents=True)
    added = run_in_comfyui(comfyui, _RUN, tmp_path, "--cpu", "--base-directory", base, base=base, tag="ADDED")
    contract = eval(f"{{{written['tests/comfyui/test_contract.py']}}}")
    inputs, outputs = contract["GPENCountFaces"]
    assert {name: kind for name, (kind, _) in added["info"]["input"]["required"].items()} == inputs
    assert dict(zip(added["info"]["output_name"], added["info"]["output"], strict=True)) == outputs
    assert added["count"] == 2

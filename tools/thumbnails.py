"""Runs the workflow templates in a ComfyUI and draws their thumbnails, example_workflows/*.jpg.

    python tools/thumbnails.py http://127.0.0.1:8188 "Restore a photograph"

Without names it draws all of them. Where a template asks for a diffusion model, the example picture stands in for what
it would make.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image
from workflows import TEMPLATES
from workflows.client import Client
from workflows.queued import to_prompt, with_every_picture, without_sampling
from workflows.template import EXAMPLE, Pictures, Template

FOLDER = Path(__file__).resolve().parents[1] / "example_workflows"
# The page fetches the thumbnails of all templates at once.
MOST_BYTES = 58_000
BEST_QUALITY = 88


def run(client: Client, template: Template) -> Pictures:
    """Every picture that a node of the template gives.

    Raises:
        RuntimeError: ComfyUI refused it, or a node failed.
    """
    info = client.get("/object_info")
    workflow = template.workflow(info)
    prompt, shown = with_every_picture(without_sampling(to_prompt(workflow, info), EXAMPLE), info)
    done = client.run(prompt)
    if done.status != "success":
        raise RuntimeError(f"{template.name}: {done.status}. {done.error}")
    titles = {str(node["id"]): node.get("title", node["type"]) for node in workflow["nodes"]}
    return {
        (titles[node], output): [Image.fromarray(picture) for picture in client.pictures(done, name)]
        for name, (node, output) in shown.items()
    }


def jpeg(picture: Image.Image) -> bytes:
    """The picture in the best quality that keeps within the limit."""
    quality = BEST_QUALITY
    while True:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MOST_BYTES:
            return file.getvalue()
        quality -= 4


def main() -> None:
    names = [template.name for template in TEMPLATES]
    parser = argparse.ArgumentParser(description="Draws example_workflows/*.jpg.")
    parser.add_argument("url", help="of a running ComfyUI with this package, such as http://127.0.0.1:8188")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones: {', '.join(names)}")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"there is no template {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    client = Client(arguments.url)
    for template in TEMPLATES:
        if not arguments.names or template.name in arguments.names:
            picture = template.thumbnail(run(client, template))
            (FOLDER / f"{template.name}.jpg").write_bytes(jpeg(picture))


if __name__ == "__main__":
    main()

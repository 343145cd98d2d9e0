"""Faces that a diffusion model made."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .drawing import SIZE, filled
from .graph import BLUE, GREEN, PURPLE, Graph
from .template import HEAD, Pictures, Template

_NOTE = (
    "## After a diffusion sampler\n"
    "Faces that come out small and smeared are redrawn, the rest of the picture stays. Choose your checkpoint in "
    "**Load Checkpoint**; any sampler chain that ends in an image will do.\n\n"
    "The preset *after-diffusion* keeps more of the sampler's own face than a photograph needs."
)
_CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
# The page offers to download what a user lacks.
_SOURCE = {
    "name": _CHECKPOINT,
    "url": f"https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/{_CHECKPOINT}?download=true",
    "directory": "checkpoints",
}


def _build(graph: Graph) -> None:
    graph.note((20, -190), (860, 150), _NOTE)
    checkpoint = graph.add(
        "CheckpointLoaderSimple",
        (40, 60),
        (320, 110),
        ckpt_name=_CHECKPOINT,
        properties={"models": [_SOURCE]},
    )
    wanted = graph.add(
        "CLIPTextEncode",
        (420, 60),
        (340, 150),
        "What to see",
        clip=checkpoint["CLIP"],
        text="three friends laughing at a kitchen table, photograph, natural light",
    )
    unwanted = graph.add(
        "CLIPTextEncode",
        (420, 260),
        (340, 110),
        "What not to see",
        clip=checkpoint["CLIP"],
        text="drawing, painting, text, watermark",
    )
    latent = graph.add("EmptyLatentImage", (40, 260), (320, 110), width=768, height=512)
    sampler = graph.add(
        "KSampler",
        (820, 60),
        (320, 270),
        model=checkpoint["MODEL"],
        positive=wanted["CONDITIONING"],
        negative=unwanted["CONDITIONING"],
        latent_image=latent["LATENT"],
        seed=2021,
        steps=25,
        cfg=7.0,
        sampler_name="dpmpp_2m",
        scheduler="karras",
    )
    decode = graph.add("VAEDecode", (820, 400), (320, 50), samples=sampler["LATENT"], vae=checkpoint["VAE"])
    model = graph.add("GPENLoadModel", (1220, 60), (320, 150))
    detector = graph.add("GPENLoadFaceDetector", (1220, 250), (320, 90))
    preset = graph.add("GPENPreset", (1220, 390), (320, 90), preset="after-diffusion")
    restore = graph.add(
        "GPENFaceRestore",
        (1600, 60),
        (320, 420),
        image=decode["IMAGE"],
        gpen_model=model["gpen_model"],
        face_detector=detector["face_detector"],
        preset=preset["preset"],
    )
    graph.add("PreviewImage", (1600, 530), (320, 270), "From the sampler", images=decode["IMAGE"])
    graph.add(
        "SaveImage",
        (2000, 60),
        (520, 730),
        "With restored faces",
        images=restore["image"],
        filename_prefix="gpen/diffusion",
    )
    graph.group("1  Diffusion", (20, -20, 1140, 830), PURPLE)
    graph.group("2  Restore the faces", (1200, -20, 740, 830), BLUE)
    graph.group("3  Result", (1980, -20, 560, 830), GREEN)


def _thumbnail(pictures: Pictures) -> Image.Image:
    """A face that comes out of noise."""
    face = np.asarray(filled(pictures["GPENFaceRestore", "image"][0].crop(HEAD)))
    coarse = np.random.default_rng(3).normal(128, 70, (SIZE // 8, SIZE // 8, 3))
    noise = np.kron(coarse, np.ones((8, 8, 1))).clip(0, 255)
    done = ((np.linspace(-0.25, 1.1, SIZE)[None, :, None] - 0.25) / 0.4).clip(0, 1)
    return Image.fromarray((noise * (1 - done) + face * done).astype(np.uint8))


TEMPLATE = Template("After a diffusion sampler", _build, _thumbnail)

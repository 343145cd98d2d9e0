"""A batch of images made ready, each by what its own file says."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from gpen_blocks.gpen.images import from_array
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages.prepare import prepare_images
from gpen_blocks.gpen.types import Face, Faces


def test_each_image_is_judged_by_the_tables_of_its_own_file(examples):
    portrait = Image.open(examples / "portrait.png").convert("RGB")
    images, tables = [], []
    for quality in (35, 90, 60):
        file = io.BytesIO()
        portrait.save(file, "JPEG", quality=quality)
        opened = Image.open(file)
        tables.append(tuple(tuple(table) for table in opened.quantization.values()))  # pyright: ignore
        images.append(from_array(np.asarray(opened)))
    box = (181.0, 57.0, 271.0, 173.0)
    faces = Faces(tuple(Face(box, 0.9, np.zeros((5, 2)), n) for n in (0, 2)), ((512, 512),) * 3)
    _, (first, second, third) = prepare_images(torch.cat(images), faces, Settings(deblock=0.5), jpeg_tables=tables)
    assert first and first["jpeg"]["quality"] == 35
    assert second is None  # no face of it is restored
    assert third and third["jpeg"]["quality"] == 60

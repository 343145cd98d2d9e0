"""From a photograph to a map, and from a map to a face."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from parsers import save_parser
from PIL import Image
from small_networks import SIZE, write_network

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.models import choose_landmarker, load_parser
from gpen_blocks.gpen.redraw import draw_face, legend, map_faces, map_photograph
from gpen_blocks.gpen.tasks.maps import CLASSES, PALETTE, colour_of
from gpen_blocks.gpen.types import Faces


@pytest.fixture(scope="module")
def same(tmp_path_factory) -> str:
    """A network that answers the map itself."""
    return write_network(tmp_path_factory.mktemp("networks"), "seg2face", same=True)


def test_a_map_reaches_the_network_in_its_very_colours(same):
    """Resized to the nearest pixel: a mixture of two colours would be that of a third class."""
    labels = np.random.default_rng(0).integers(0, 19, (SIZE * 3, SIZE * 3), dtype=np.uint8)
    drawn = draw_face(labels, model=same, device="cpu")
    assert drawn.shape == (SIZE, SIZE, 3) and drawn.dtype == np.uint8
    off = abs(drawn.reshape(-1, 1, 3).astype(int) - PALETTE.astype(int)).max(axis=2).min(axis=1)
    assert off.max() <= 1
    assert (drawn == draw_face(colour_of(labels), model=same, device="cpu")).all()


def test_a_file_is_drawn(same, tmp_path):
    Image.fromarray(colour_of(np.full((64, 64), CLASSES.index("hair"), np.uint8))).save(tmp_path / "map.png")
    drawn = draw_face(tmp_path / "map.png", model=same, device="cpu")
    assert abs(drawn.astype(int) - PALETTE[CLASSES.index("hair")]).max() <= 1


def test_what_is_no_map_is_refused(same, examples):
    with pytest.raises(ImageError, match="colours of a map"):
        draw_face(examples / "portrait.png", model=same)
    with pytest.raises(ImageError, match="10 x 20 pixels, and must be square"):
        draw_face(np.zeros((20, 10), np.uint8), model=same)


def test_a_photograph_gives_a_map_of_its_face(examples):
    found = map_photograph(examples / "portrait.png", detector="face-detector-lite", parser="none", device="cpu")
    assert found.shape == (512, 512)
    shares = {name: (found == label).mean() for label, name in enumerate(CLASSES)}
    assert 0.1 < shares["skin"] < 0.4 and shares["hair"] > 0.1 and shares["l_eye"] > 0.001 and shares["r_eye"] > 0.001
    with pytest.raises(ImageError, match="no face 3"):
        map_photograph(examples / "portrait.png", detector="face-detector-lite", number=3, device="cpu")


def test_no_face_gives_no_map(tmp_path):
    image, none = torch.full((1, 3, 64, 64), 0.5), Faces((), ((64, 64),))
    parser = load_parser(str(save_parser(tmp_path / "my_parsing.safetensors"))).module
    for network in (choose_landmarker()[0].module, parser):
        assert map_faces(image, none, network, lambda module: torch.device("cpu")).shape == (0, 512, 512)


def test_the_legend_shows_every_colour():
    shown = set(map(tuple, legend().reshape(-1, 3)))
    assert set(map(tuple, PALETTE)) <= shown

"""Damage of every kind to files of every format: an ImageError of one sentence, or a picture; never anything else."""

from dataclasses import replace

import numpy as np
import pytest
from damaged_files import FILES, mutated

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import read_picture, write_picture

COUNT = 24


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_no_damaged_file_raises_anything_else(tmp_path, name):
    """What the decoders raise (RuntimeError, SyntaxError, struct.error, ...) is one sentence that names the file."""
    data = FILES[name]()
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    assert read_picture(path).notes is not None
    refused = 0
    for index, damaged in enumerate(mutated(data, np.random.default_rng(len(name)), COUNT)):
        path.write_bytes(damaged)
        try:
            picture = read_picture(path, allow_damaged=bool(index % 2))
            write_picture(replace(picture, source=None), tmp_path / "out.tif")
        except ImageError as error:
            refused += 1
            assert str(path) in str(error) or "cannot be written" in str(error)
            assert "\n" not in str(error)
    assert refused > 2


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), SyntaxError("bad"), MemoryError(), AssertionError(), KeyError(5)]
)
def test_whatever_a_decoder_raises_is_a_sentence(tmp_path, monkeypatch, error):
    """A decoder of another release may raise what none raises today."""
    from PIL.WebPImagePlugin import WebPImageFile

    def fail(_):
        raise error

    path = tmp_path / "a.webp"
    path.write_bytes(FILES["WebP"]())
    monkeypatch.setattr(WebPImageFile, "load", fail)
    with pytest.raises(ImageError, match=r"cannot be read|more memory than is free") as caught:
        read_picture(path)
    assert str(path) in str(caught.value)

"""What the library's front door adds to the chain."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from small_networks import write_network

from gpen_blocks import Restorer
from gpen_blocks.gpen.images import read_picture


def test_what_was_found_in_a_file_comes_first_among_the_notes(tmp_path):
    Image.new("RGB", (96, 64), (90, 120, 150)).save(tmp_path / "plain.png")
    picture = replace(read_picture(tmp_path / "plain.png"), notes=("The end of the file was missing.", "It is short."))
    report = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager").restore(picture).report
    assert report["notes"][:2] == list(picture.notes)
    assert len(report["notes"]) > 2


@pytest.mark.parametrize("upscale", [1, 4])
def test_more_pixels_than_a_face_can_show_are_told(tmp_path, examples, upscale):
    network = write_network(tmp_path, "restoration", size=1024)
    result = Restorer(network, upscale=upscale).restore(examples / "portrait-degraded.jpg")
    told = any("nothing is gained" in note for note in result.report["notes"])
    assert told == (upscale == 1)
    assert len(result.faces) == 1

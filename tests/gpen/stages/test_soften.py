"""The sharpness of restored faces is matched to the picture around them, plain and enlarged."""

from __future__ import annotations

import pytest
import torch

from gpen_blocks import Restorer
from gpen_blocks.gpen.detail.softening import Softening
from gpen_blocks.gpen.detail.spectrum.power import radial_power
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.pixels.tone import Tone
from gpen_blocks.gpen.restorer import Restoration
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import FaceRecord, Judgement, RestoredFaces, soften_faces
from gpen_blocks.gpen.video.steady.values import go_on

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def blurred(examples) -> torch.Tensor:
    return gaussian_blur(read_picture(examples / "portrait.png").pixels, 2.0)


def restored(picture: torch.Tensor, **more) -> Restoration:
    return Restorer("gpen-lite-256", "face-detector-lite", backend="eager", **more).restore(
        picture[0].permute(1, 2, 0).numpy()
    )


def fine_power(result: Restoration) -> float:
    """Power of the face's finest detail."""
    x0, y0, x1, y1 = (round(value) for value in result.faces.faces[0].box)
    curves = radial_power(result.restored[..., y0:y1, x0:x1], judge_noise=False)
    return float(curves.power[0, curves.frequencies > 0.1].mean())


@pytest.mark.parametrize("upscale", [1, 2])
def test_a_face_in_a_blurred_photograph_becomes_as_soft(blurred, upscale):
    plain, half, soft = (restored(blurred, upscale=upscale, match_sharpness=share) for share in (0.0, 0.5, 1.0))
    told, half_told = (result.report["faces"][0]["softened"] for result in (soft, half))
    assert told["sigma"] == pytest.approx(2.0 * upscale, rel=0.2)
    assert half_told["sigma"] == pytest.approx(told["sigma"] / 2, abs=0.02)
    assert told["surroundings_cutoff"] == pytest.approx(0.2415 / (2.0 * upscale), rel=0.2)
    assert "softened" not in plain.report["faces"][0]
    assert fine_power(soft) < 0.5 * fine_power(half) < 0.5 * fine_power(plain)
    outside = (soft.mask == 0).expand_as(soft.restored)
    assert torch.equal(soft.restored[outside], plain.restored[outside])
    assert not torch.equal(soft.after, plain.after), "the crops shown are those that were pasted"


def test_flat_surroundings_are_told(blurred):
    flat = torch.full((1, 3, 900, 900), 0.5)
    plain = restored(blurred)
    flat[..., 200:712, 200:712].lerp_(blurred, gaussian_blur(plain.mask, 8.0))
    result = restored(flat, match_sharpness=1.0)
    assert result.report["faces"][0]["softened"] == {"sigma": 0.0, "surroundings_cutoff": None}
    assert any("too little detail to match the sharpness" in note for note in result.report["notes"])
    assert torch.equal(result.restored, restored(flat).restored)


def test_faces_are_the_same_without_the_setting():
    crops = torch.rand(1, 3, 64, 64)
    faces = RestoredFaces(crops, crops, ())
    assert soften_faces(crops, faces, Settings()) is faces


def test_a_face_in_a_video_keeps_a_steady_softness(blurred):
    result = restored(blurred)
    tone = Tone("colour", torch.zeros(3, 3), torch.zeros(2, 3))
    from gpen_blocks.gpen.detail.spectrum.crossover import Crossover

    crossover = Crossover(torch.full((1, 3), 0.2), torch.zeros(1, 3), torch.zeros(1))
    judged = [(Judgement(crossover, tone, softening=Softening(blur, 0.1)), 0.5) for blur in (1.0, 3.0)]
    (value,), _ = go_on(None, judged, 1)
    # A frame has half a crop pixel for each: 2 px of a crop are 4 of the frame, and 8 of a crop twice as fine.
    softening = value.judgement(2.0).softening
    assert softening is not None and softening.blur == pytest.approx(8.0)
    record = FaceRecord(result.alignment[0], tone, softening=softening)
    soft = soften_faces(blurred, RestoredFaces(result.before, result.after, (record,)), Settings(match_sharpness=0.5))
    assert torch.equal(soft.after, gaussian_blur(result.after, 4.0))

"""High dynamic range: an ordinary copy to work on, and changes that go back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from videos import make_video

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video.files import read_frames, read_info
from gpen_blocks.gpen.video.files.hdr import tone_map

PQ, HLG = 16, 18


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("primaries", [1, 9])
def test_the_copy_is_ordinary_and_the_way_back_is_exact(transfer, primaries):
    tone = tone_map(transfer, primaries)
    assert tone is not None
    grey = np.linspace(0, 1, 1024, dtype=np.float32)
    copy = tone.to_ordinary(np.broadcast_to(grey, (3, 1, 1024)))
    assert copy.min() == 0 and 0.999 < copy.max() <= 1 and (np.diff(copy[:, 0]) > -1e-6).all()
    # Reference white (58 % of PQ, 75 % of HLG: ITU-R BT.2408) is a bright white, and a grey of 18 % stays near 0.49.
    white = 0.5807 if transfer == PQ else 0.75
    assert 0.85 < float(np.interp(white, grey, copy[1, 0])) < 0.96
    if transfer == PQ:  # 36.5 cd/m2 are 0.418
        assert float(np.interp(0.418, grey, copy[1, 0])) == pytest.approx(0.18 ** (1 / 2.4), abs=0.03)
    # Colours that BT.709 holds come back.
    rng = np.random.default_rng(0)
    ordinary = rng.uniform(0.02, 0.98, (3, 20, 20)).astype(np.float32)
    again = tone.to_ordinary(tone.to_file(ordinary))
    assert np.abs(again - ordinary).max() < 2e-4


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_change_of_the_copy_changes_the_file_alike(tmp_path, transfer):
    source = make_video(
        tmp_path / "source.mkv",
        codec="ffv1",
        pixel_format="yuv444p12le",
        color=(1, 9, transfer, 9),
        times=(0,),
        soft=True,
    )
    info = read_info(source)
    assert info.hdr == {PQ: "PQ", HLG: "HLG"}[transfer]
    frame = next(iter(read_frames(info)))
    before = frame.rgb()
    inside = ((before > 0.02) & (before < 0.95)).all(0)
    assert inside.float().mean() > 0.3
    after = torch.where(inside, before * 0.97, before)
    frame.add_change(before, after)
    now = frame.rgb()
    assert torch.equal(now[:, ~inside], before[:, ~inside])
    assert (now - after)[:, inside].abs().max() < 0.006


@pytest.mark.parametrize(("matrix", "number"), [("constant luminance", 10), ("ICtCp", 14)])
def test_colours_that_a_change_cannot_be_put_into_are_refused(tmp_path, matrix, number):
    source = make_video(
        tmp_path / "source.mp4",
        codec="libx265",
        pixel_format="yuv420p10le",
        color=(1, 9, PQ, number),
        options={"x265-params": "log-level=error"},
    )
    with pytest.raises(VideoError, match=rf"rare way \(matrix {number} of ITU-T H.273\)"):
        read_info(source)

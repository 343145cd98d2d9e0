"""Frames that come one by one are restored at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video.motion import DAMAGES, WAYS, Scene

from gpen_blocks import Restorer
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.video.steady.looking import Eye

SIZE = (128, 176)


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")


@pytest.fixture(scope="module")
def frames(examples: Path) -> list[np.ndarray]:
    """A face at rest in new noise, H x W x 3 uint8."""
    still = read_picture(examples / "faces" / "face1.jpg").pixels[0].permute(1, 2, 0).numpy()
    scene = Scene(still, WAYS["rest"], SIZE, scale=0.2)
    return [(DAMAGES["noisy"].apply(scene.frame(n), n) * 255).round().astype(np.uint8) for n in range(14)]


@pytest.fixture(scope="module")
def restored(frames: list[np.ndarray], restorer: Restorer) -> list[np.ndarray]:
    live = restorer.live()
    return [live.restore(frame) for frame in frames]


@pytest.mark.slow
def test_each_frame_is_restored_at_once_and_only_its_face_changes(frames, restorer):
    live = restorer.live()
    for number, frame in enumerate(frames[:3]):
        before = frame.copy()
        after = live.restore(frame, time=number / 30)
        assert after.shape == frame.shape and after.dtype == np.uint8
        changed = (after != frame).any(axis=-1)
        assert 0.02 < changed.mean() < 0.6 and len(live.faces) == 1
        x0, y0, x1, y1 = live.faces.faces[0].box
        assert changed[int(y0) : int(y1), int(x0) : int(x1)].mean() > 0.5 and not changed[:, :5].any()
        assert (frame == before).all(), "what was given stays"


@pytest.mark.slow
def test_it_flickers_less_than_frame_by_frame(frames, restored, restorer):
    """The scene nearly rests: most of what changes from frame to frame is noise, and what the restoration adds."""
    alone = [restorer.restore(frame).image for frame in frames]

    def flicker(video: list[np.ndarray]) -> float:
        return float(np.abs(np.diff(np.stack(video)[2:, 45:85, 70:105].astype(float), n=2, axis=0)).mean())

    assert flicker(restored) < 0.75 * flicker(alone)


@pytest.mark.slow
def test_a_frame_depends_on_none_after_it_and_a_new_start_on_none_before(frames, restored, restorer):
    live = restorer.live()
    for number in (0, 1, 2):
        live.restore(frames[13 - number])
    live.reset()
    other = [live.restore(frame) for frame in [*frames[:6], frames[0][:, ::-1].copy()]]
    for one, known in zip(other[:6], restored, strict=False):
        np.testing.assert_array_equal(one, known)
    assert (other[6] != restored[6]).any()


@pytest.mark.slow
def test_another_size_or_time_needs_a_new_start_and_the_next_frame_goes_on(frames, restored, restorer):
    live = restorer.live()
    first = live.restore(frames[0], time=5.0)
    np.testing.assert_array_equal(first, restored[0])
    with pytest.raises(ImageError, match=r"64 x 64 came after frames of 176 x 128; call reset"):
        live.restore(np.zeros((64, 64, 3), np.uint8), time=5.1)
    for time in (5.0, 4.0, float("nan")):
        with pytest.raises(SettingsError, match="must rise"):
            live.restore(frames[1], time=time)
    broken = frames[1].astype(np.float32) / 255
    broken[3, 3] = np.nan
    with pytest.raises(ImageError, match="NaN"):
        live.restore(broken, time=5.02)
    np.testing.assert_array_equal(live.restore(frames[1], time=5.04), restored[1])
    live.reset()
    assert len(live.faces) == 0
    assert live.restore(np.zeros((64, 64, 3), np.uint8), time=0.0).shape == (64, 64, 3)


def test_a_frame_without_a_face_stays_and_comes_back_as_it_was_given(restorer):
    live = restorer.live()
    grey, pictured = np.full((32, 48), 99, np.uint8), Image.new("RGBA", (48, 32), (10, 20, 30, 40))
    assert (live.restore(grey) == grey).all() and live.restore(grey).dtype == np.uint8
    assert len(live.faces) == 0
    again = live.restore(pictured)
    assert again.mode == "RGBA" and (np.asarray(again) == np.asarray(pictured)).all()
    assert live.restore(np.full((32, 48, 3), 0.5, np.float32)).dtype == np.float32


def test_what_cannot_be_done_is_refused_at_once(restorer):
    with pytest.raises(SettingsError, match="cannot be parsed"):
        restorer.live(indices="x")
    with pytest.raises(ImageError, match="not list"):
        restorer.live().restore([1, 2])


@pytest.mark.slow
def test_a_frame_that_fails_is_told_and_the_next_goes_on(frames, restorer, monkeypatch):
    live, find_again = restorer.live(), Eye.find_again

    def fail(self, image, known):
        raise MemoryError("no room")

    live.restore(frames[0])
    monkeypatch.setattr(Eye, "find_again", fail)
    with pytest.raises(MemoryError, match="no room"):
        live.restore(frames[1])
    monkeypatch.setattr(Eye, "find_again", find_again)
    after = [live.restore(frame) for frame in frames[2:8]]
    assert len(live.faces) == 1 and (after[-1] != frames[7]).any()


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(clip, examples):
    page = (examples.parent / "docs" / "video.md").read_text(encoding="utf-8").partition("## Live")[2]
    code = page.partition("```python\n")[2].partition("```")[0]
    own = 'Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")'
    assert code.count("Restorer()") == code.count('"film.mp4"') == 1
    known: dict = {}
    exec(code.replace("Restorer()", own).replace('"film.mp4"', repr(str(clip))), known)
    assert len(known["live"].faces) == 1 and known["restored"].shape == (128, 176, 3)
    assert (known["restored"] != known["frame"].to_ndarray(format="rgb24")).any()


@pytest.mark.slow
def test_what_is_judged_of_a_face_goes_slowly_to_new_values(frames, restorer):
    live, used = restorer.live(), []
    for frame in frames:
        live.restore(frame)
        assert live._values.keys() == live._state.values.keys() == live._state.details.keys() == {0}
        used.append(live._values[0].numbers)
    steps = np.abs(np.diff(np.stack(used), axis=0))
    assert (steps[:8] > 0).any(), "there were other judgements"
    far = np.abs(live._state.values[0].numbers - used[7])
    assert (steps[7:] <= far / 4 + 1e-9).all(), "no value jumps"

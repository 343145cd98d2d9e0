"""Progress: parts of larger work, and one number that never goes back."""

import pytest

from gpen_blocks.gpen.progress import Overall, Viewer, each, part_of, steps_within


def test_steps_of_a_part_count_within_the_whole():
    seen = []
    half = steps_within(lambda *step: seen.append(step), 50, 100, 100)
    for step in ((0, 4), (1, 4), (4, 4), (0, 0)):
        half(*step)
    assert seen == [(5000, 10000), (6250, 10000), (10000, 10000), (5000, 10000)]


def test_steps_of_a_part_of_few_items_are_not_rounded_away():
    seen = []
    steps_within(lambda *step: seen.append(step), 0, 1, 2)(1, 4)
    assert seen == [(25, 200)]


def test_items_count_one_after_another_and_their_own_steps_between():
    seen = []
    for item, steps in each("ab", lambda *step: seen.append(step)):
        steps(1, 2)
        seen.append(item)
    assert seen == [(50, 200), "a", (100, 200), (150, 200), "b", (200, 200)]
    assert list(each([], lambda *step: seen.append(step))) == [] and len(seen) == 6


def test_an_exception_reaches_the_one_who_asked():
    def stop(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        for _, steps in each(range(3), steps_within(stop, 0, 1, 2)):
            steps(0, 1)


class Watching:
    def __init__(self):
        self.seen, self.shown = [], []

    def __call__(self, *step):
        self.seen.append(step)

    def show(self, pictures):
        self.shown.append(pictures)


def test_a_part_shows_pictures_to_whom_wants_them_only():
    viewer = Watching()
    part = part_of(viewer, 4, 8, 8)
    assert isinstance(part, Viewer)
    part.show("picture")
    part("restore", 1, 2)
    assert viewer.shown == ["picture"] and viewer.seen == [("restore", 600, 800)]
    # Without a viewer, the network need not wait for its pictures.
    assert not isinstance(part_of(lambda *step: None, 0, 1, 1), Viewer)


def test_one_number_follows_interleaved_stages():
    overall = Overall({"find": 1, "prepare": 1, "restore": 2, "paste": 1})
    assert overall("find", 1, 2) == pytest.approx(0.1)
    assert overall("find", 2, 2) == pytest.approx(0.2)
    # Nothing was prepared, which is known once the next stage begins.
    assert overall("restore", 1, 4) == pytest.approx(0.5)
    assert overall("paste", 1, 4) == pytest.approx(0.55)
    assert overall("restore", 4, 4) == pytest.approx(0.85)
    assert overall("paste", 4, 4) == pytest.approx(1.0)


def test_one_number_never_goes_back():
    overall = Overall({"a": 3, "b": 1})
    numbers = [overall("a", done, 10) for done in (2, 8, 5, 0, 9, 10)] + [overall("other", 0, 1), overall("b", 0, 0)]
    assert numbers == sorted(numbers) and numbers[-1] == 1.0

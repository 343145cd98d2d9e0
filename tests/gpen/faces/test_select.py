"""Selection of faces by order, index, size and count."""

import numpy as np
import pytest

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.faces.select import parse_indices, select_faces
from gpen_blocks.gpen.types import Face, Faces

POINTS = np.zeros((5, 2))


def face(x: float, y: float, side: float, score: float = 0.5, image: int = 0) -> Face:
    return Face((x, y, x + side, y + side), score, POINTS, image)


LEFT, MIDDLE, RIGHT = face(0, 40, 10, 0.7), face(45, 45, 20, 0.8), face(80, 0, 15, 0.9)
ROW = Faces((RIGHT, MIDDLE, LEFT), ((100, 100),))


@pytest.mark.parametrize(
    ("text", "indices"),
    [("", ()), (" ", ()), ("0", (0,)), ("0,2-4", (0, 2, 3, 4)), (" 4 , 1 - 2,1", (1, 2, 4)), ("3-3", (3,))],
)
def test_indices_are_read(text, indices):
    assert parse_indices(text) == indices


# As an East Asian keyboard types `0,2-4`, and other texts.
TYPED = "０，２－４|0、2–4|0,2~4|0､2～4|0，2—4|0﹐2〜4|0，2−4|　０　，２‐３、４|0,2‑4|0，2ー4".split("|")  # noqa: RUF001, SIM905
UNREADABLE = "０，|，|～1|1；2|１．５|３～１|１０００００|1——2|①".split("|")  # noqa: RUF001, SIM905


@pytest.mark.parametrize("text", TYPED)
def test_an_east_asian_keyboard_types_indices_too(text):
    assert parse_indices(text) == (0, 2, 3, 4)


@pytest.mark.parametrize("text", UNREADABLE)
def test_other_full_width_texts_are_refused(text):
    with pytest.raises(SettingsError, match="0,2-4") as caught:
        parse_indices(text)
    assert repr(text) in str(caught.value), "the text is not shown as it was typed"


@pytest.mark.parametrize("text", ["a", "1,", "-1", "3-1", "1.5", "0-99999", "1--2", "1;2", "٣", "0-٣"])
def test_unreadable_indices_say_where(text):
    """A slip is named together with the right form, and cannot ask for millions of numbers; digits are ASCII's."""
    with pytest.raises(SettingsError, match="0,2-4"):
        parse_indices(text)


@pytest.mark.parametrize("text", ["x" * 5000, "0," * 2500, "\n" * 2500 + "x" * 2500])
def test_a_long_text_is_shown_by_its_ends(text):
    with pytest.raises(SettingsError) as caught:
        parse_indices(text)
    assert len(str(caught.value)) < 250
    assert "..." in str(caught.value)


def test_what_is_no_text_is_refused():
    for indices in ([0], 0, None):
        with pytest.raises(SettingsError, match="a text such as '0,2-4'"):
            parse_indices(indices)  # type: ignore[arg-type]


def test_a_short_text_is_shown_whole():
    with pytest.raises(SettingsError, match="'0,1,2,3,4,5,6,7,8,9,10,11,x' cannot be parsed at 'x'"):
        parse_indices("0,1,2,3,4,5,6,7,8,9,10,11,x")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("largest", [MIDDLE, RIGHT, LEFT]),
        ("left_to_right", [LEFT, MIDDLE, RIGHT]),
        ("top_to_bottom", [RIGHT, LEFT, MIDDLE]),
        ("centre", [MIDDLE, LEFT, RIGHT]),
        ("score", [RIGHT, MIDDLE, LEFT]),
    ],
)
def test_orders(order, expected):
    assert list(select_faces(ROW, order)[0]) == expected


def test_indices_count_in_the_chosen_order():
    selected, rejected = select_faces(ROW, "left_to_right", "0,2")
    assert list(selected) == [LEFT, RIGHT]
    assert list(rejected) == [MIDDLE]


def test_an_empty_selection_stays_empty():
    """An index nobody has, or a size nobody reaches, never means all."""
    for selected, rejected in (select_faces(ROW, indices="7"), select_faces(ROW, min_face_size=500)):
        assert len(selected) == 0
        assert list(rejected) == list(ROW)
        assert selected.sizes == ROW.sizes


def test_size_comes_before_index_and_count():
    selected, _ = select_faces(ROW, "left_to_right", "0", min_face_size=12)
    assert list(selected) == [MIDDLE]
    selected, rejected = select_faces(ROW, "largest", max_faces=2)
    assert list(selected) == [MIDDLE, RIGHT]
    assert list(rejected) == [LEFT]


def test_every_image_of_a_batch_is_chosen_from_by_itself():
    """Order, index and count hold per image; an image with fewer faces simply gives fewer."""
    first, second = face(50, 0, 10, image=0), face(0, 0, 10, image=0)
    lonely = face(10, 10, 30, image=2)
    batch = Faces((first, second, lonely), ((60, 60),) * 3)
    assert list(select_faces(batch, "left_to_right", "0")[0]) == [second, lonely]
    assert list(select_faces(batch, "left_to_right", "1")[0]) == [first]
    assert list(select_faces(batch, "largest", max_faces=1)[0]) == [first, lonely]


def test_equals_keep_their_order():
    twins = tuple(face(x, 0, 10) for x in (30, 10, 20))
    assert list(select_faces(Faces(twins, ((50, 50),)), "largest")[0]) == list(twins)


def test_an_unknown_order_is_refused():
    with pytest.raises(SettingsError, match="left_to_right"):
        select_faces(ROW, "smallest")


def test_a_face_of_just_the_least_size_is_chosen():
    selected, rejected = select_faces(ROW, min_face_size=15)
    assert set(selected) == {MIDDLE, RIGHT} and tuple(rejected) == (LEFT,)
    assert set(select_faces(ROW, min_face_size=15.01)[0]) == {MIDDLE}

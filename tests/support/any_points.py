"""Points and boxes of every kind, for properties that hold of all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from gpen_blocks.gpen.faces.align import TEMPLATES

# The same examples in every run, and few enough to be quick.
seeded = settings(derandomize=True, max_examples=40, deadline=None, database=None)

_SCALES = st.sampled_from([1e-9, 1e-4, 0.3, 1.0, 7.0, 40.0, 150.0, 3e3, 1e6])
_PLACES = st.one_of(
    st.tuples(st.floats(-50, 250), st.floats(-50, 250)),
    st.sampled_from([(0.0, 0.0), (100.0, 80.0), (199.0, 159.0), (-3.0, 80.0), (1e7, -1e7)]),
)
_TURNS = st.floats(-np.pi, np.pi)
_BAD = st.sampled_from([np.nan, np.inf, -np.inf, 1e38, -1e38])


@st.composite
def shapes(draw: st.DrawFn, count: int) -> np.ndarray:
    """count x 2 about the origin, about 1 wide: a cloud, a line, one point, a few points again and again."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["cloud", "line", "level line", "point", "repeated", "rounded", "nearly a point"]))
    points = rng.normal(size=(count, 2))
    if kind == "line":
        points = rng.normal(size=(count, 1)) * rng.normal(size=2)
    elif kind == "level line":
        points[:, draw(st.integers(0, 1))] = 0
    elif kind == "point":
        points[:] = rng.normal(size=2)
    elif kind == "repeated":
        points = points[rng.integers(0, max(count // 3, 2), count)]
    elif kind == "rounded":
        points = points[rng.integers(0, max(count // 2, 2), count)] * (1 + 2e-16 * rng.integers(-3, 4, (count, 2)))
    elif kind == "nearly a point":
        points = 1 + 1e-7 * points
    return points


@st.composite
def placed(draw: st.DrawFn, shape: np.ndarray) -> np.ndarray:
    """A shape anywhere in, across the borders of or beside a picture of 200 x 160; tiny, huge, turned, mirrored."""
    turn = draw(_TURNS)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if draw(st.booleans()):
        matrix = matrix @ np.diag([-1.0, 1.0])
    return draw(_SCALES) * shape @ matrix.T + draw(_PLACES)


@st.composite
def points(draw: st.DrawFn, count: int, broken: bool = True) -> np.ndarray:
    """count x 2 of any kind; where `broken`, a number among them may be no number, or beyond reckoning."""
    result = draw(placed(draw(shapes(count))))
    if broken and draw(st.integers(0, 4)) == 0:
        result[draw(st.integers(0, count - 1)), draw(st.integers(0, 1))] = draw(_BAD)
    return result


@st.composite
def five_landmarks(draw: st.DrawFn) -> np.ndarray:
    """5 x 2: those of a face, as often as any five points."""
    if draw(st.booleans()):
        return draw(points(5))
    return draw(placed(TEMPLATES[draw(st.sampled_from(sorted(TEMPLATES)))] - 0.5))


def boxes(broken: bool = True) -> st.SearchStrategy[tuple[float, float, float, float]]:
    """(x0, y0, x1, y1): whole, empty, inside out, huge, and where `broken` not of numbers."""
    side = st.one_of(st.floats(-300, 500), st.sampled_from([0.0, 1e-9, 100.0, 1e12]))
    return st.tuples(*[st.one_of(side, _BAD) if broken else side] * 4)

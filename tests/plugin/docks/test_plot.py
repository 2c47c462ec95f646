import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtGui import QImage

from napari_dip.plugin.docks.plot import _KEPT, FIT, SCORE, Curves

SIZES = [(1, 1), (5, 90), (13, 13), (800, 3)]
ERRORS = {
    "falling": lambda update: 3 + 5 * math.exp(-update / 50),
    "rising": lambda update: 3 + update / 10,
    "turning": lambda update: 3 + abs(update - 20) / 10,
    "best at once": lambda update: -9.0 if update == 0 else 5 + math.sin(update),
    "constant": lambda update: 1.5,
    "nothing": lambda update: 0.0,
    "tiny": lambda update: 1e-300 * (update % 3),
    "huge": lambda update: 1e300 * (1 + update % 3),
    "negative": lambda update: -4 - update / 100,
}


@pytest.fixture
def curves(qtbot):
    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(200, 90)
    return curves


def painted(curves, width=200, height=90):
    """Return what is painted, (height, width, RGB)."""
    curves.resize(width, height)
    image = curves.grab().toImage().convertToFormat(QImage.Format.Format_RGBA8888)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    rows = np.frombuffer(bits, np.uint8).reshape(image.height(), -1)
    return rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4)[..., :3].astype(int)


def of_colour(pixels, colour):
    """Return where a colour shows, also where it is mixed with what lies behind it."""
    wanted = np.array(colour.getRgb()[:3])
    return np.abs(pixels - wanted).max(-1) < 40


def border(shown, depth):
    """Return the outermost rows and columns but some."""
    rows, columns = shown[depth : len(shown) - depth], shown[:, depth : shown.shape[1] - depth].T
    return np.concatenate([rows[0], rows[-1], columns[0], columns[-1]])


def line(errors, updates, held_out=None):
    return [(update, errors(update), held_out and held_out(update)) for update in updates]


# What is kept


@given(
    st.lists(
        st.tuples(
            st.floats(0, 10),
            st.none() | st.floats(-10, 10) | st.sampled_from([math.nan, math.inf, -math.inf]),
        ),
        max_size=60,
    )
)
def test_the_best_is_the_lowest_finite_held_out_error_and_the_first_of_them(qapp, errors):
    curves = Curves()
    points = [(update, *both) for update, both in enumerate(errors)]
    for at in range(0, len(points), 7):
        curves.add(points[at : at + 7])
    known = [(error, update) for update, _, error in points if error is not None and math.isfinite(error)]
    assert curves.best == (min(known)[::-1] if known else None)


def test_the_best_survives_the_thinning(curves):
    for update in range(5000):
        curves.add([(update, 1.0, -7.0 if update == 333 else 1.0)])
    assert curves.best == (333, -7.0)


@pytest.mark.parametrize("batch", [1, 150, 100_000])
def test_however_long_a_run_is_its_curve_stays_small_and_keeps_its_shape(curves, batch):
    total = max(20_000, batch) if batch > 1 else 6000

    def error(update):
        return 3 + math.cos(7 * update / total)

    points = line(error, range(total), error)
    for at in range(0, total, batch):
        curves.add(points[at : at + batch])
        assert len(curves._fit) <= _KEPT
    for kept in (curves._fit, curves._scores):
        assert len(kept) > 100
        assert kept[0] == points[0][:2]
        assert kept[-1] == points[-1][:2]
        updates = [update for update, _ in kept]
        assert updates == sorted(updates)
        drawn = np.interp(np.arange(total), *zip(*kept, strict=True))
        assert np.abs(drawn - [error for _, error, _ in points]).max() < 0.01


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_out(curves, wrong):
    curves.add([(0, 1.0, 2.0), (1, wrong, 1.5), (2, 0.5, wrong), (3, wrong, wrong), (4, 0.25, 1.75)])
    assert curves._fit == [(0, 1.0), (2, 0.5), (4, 0.25)]
    assert curves._scores == [(0, 2.0), (1, 1.5), (4, 1.75)]
    assert curves.best == (1, 1.5)
    assert of_colour(painted(curves), SCORE).any()


def test_the_best_one_that_is_given_again_at_the_end_does_not_lead_back(curves):
    curves.add(line(ERRORS["turning"], range(60), ERRORS["turning"]))
    before = painted(curves)
    curves.add([(20, 3.0, 3.0)])
    assert curves._scores[-1][0] == 59
    assert curves.best == (20, 3.0)
    assert (painted(curves) == before).all()


def test_a_new_frame_begins_with_nothing(curves):
    empty = painted(curves)
    curves.add(line(ERRORS["falling"], range(90), ERRORS["turning"]))
    assert (painted(curves) != empty).any()
    curves.clear()
    assert (curves._fit, curves._scores, curves.best) == ([], [], None)
    assert (painted(curves) == empty).all()


def test_nothing_to_add_adds_nothing(curves):
    empty = painted(curves)
    curves.add([])
    assert (painted(curves) == empty).all()


# What is painted


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_any_number_of_points_is_painted_in_any_size(curves, number, size):
    curves.add(line(ERRORS["falling"], range(number), ERRORS["turning"]))
    pixels = painted(curves, *size)
    assert pixels.shape == (*size[::-1], 3)


@pytest.mark.parametrize(
    ("held_out", "number"), [*((name, 50) for name in ERRORS), ("turning", 2), ("turning", 3000)]
)
def test_the_held_out_error_is_drawn_inside_of_the_frame(curves, held_out, number):
    curves.add(line(ERRORS["falling"], range(number), ERRORS[held_out]))
    blue = of_colour(painted(curves), SCORE)
    assert blue.any()
    assert not border(blue, 0).any(), "it leaves the frame, or the circle around the best one is cut off"


@pytest.mark.parametrize(
    ("fit", "number"), [*((name, 50) for name in ERRORS), ("falling", 2), ("falling", 3000)]
)
def test_without_held_out_errors_only_grey_is_drawn(curves, fit, number):
    curves.add(line(ERRORS[fit], range(number)))
    pixels = painted(curves)
    grey = of_colour(pixels, FIT)
    assert grey[6:-6, 6:-6].any()
    assert not border(grey, 2).any()
    assert not of_colour(pixels, SCORE).any()


def test_a_fall_is_drawn_as_a_fall(curves):
    curves.add(line(ERRORS["negative"], range(100)))
    grey = of_colour(painted(curves), FIT)[6:-6, 6:-6]
    heights = [float(np.mean(np.nonzero(column)[0])) for column in grey.T if column.any()]
    assert len(heights) > 150
    assert heights[0] < heights[len(heights) // 2] < heights[-1]  # rows count from the top


def test_a_first_fall_does_not_flatten_what_follows(curves):
    curves.add(line(lambda update: 1e6 if update < 3 else 1 + abs(update - 50) / 100, range(100)))
    grey = of_colour(painted(curves), FIT)[6:-6, 6:-6]
    rows = np.nonzero(grey[:, 100:].any(1))[0]
    assert rows.max() - rows.min() > 40


def test_the_circle_is_where_the_best_one_is(curves):
    curves.add(line(lambda update: 1.0, range(101), lambda update: 2 + abs(update - 75) / 100))
    blue = of_colour(painted(curves, 412, 90), SCORE)
    rows, columns = np.nonzero(blue[76:])
    assert rows.size > 10
    assert abs(columns.mean() - (6.5 + 0.75 * 399)) < 2


def test_a_curve_that_begins_before_the_other_one_stays_inside(curves):
    curves.add([(update, math.nan if update < 50 else 1.0 + update, 2.0 + update) for update in range(60)])
    blue = of_colour(painted(curves), SCORE)
    columns = np.nonzero(blue.any(0))[0]
    assert columns.min() > 0
    assert columns.max() - columns.min() > 170

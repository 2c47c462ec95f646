import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_dip.image.axes import AmbiguousAxesError, Axes


@pytest.mark.parametrize(
    ("shape", "letters"),
    [
        ((9, 9), "YX"),
        ((80, 1), "YX"),
        ((1, 80), "YX"),
        ((9, 9, 3), "YXC"),
        ((9, 9, 4), "YXC"),
        ((5, 9, 9), "TYX"),
        ((2, 5, 9, 9, 3), "TPYXC"),
        ((64, 64, 1), "YXC"),
        ((1, 1, 1), "YXC"),
        ((5, 64, 64, 1), "TYXC"),
        ((20, 1, 40), "TYX"),
        ((1, 64, 64), "TYX"),
        ((3, 64, 64), "TYX"),
        ((3, 9, 3), "TYX"),
        ((10, 8, 8), "TYX"),
        ((10, 9, 8), "TYX"),
        ((2, 9, 2), "TYX"),
        ((100, 64, 17), "TYX"),
    ],
)
def test_axes_are_guessed_from_the_shape(shape, letters):
    assert Axes.guess(shape).letters == letters


@pytest.mark.parametrize(
    ("shape", "choices"),
    [
        ((64, 48, 2), ("YXC", "TYX")),
        ((9, 9, 5), ("YXC", "TYX")),
        ((3, 3, 2), ("YXC", "TYX")),
        ((64, 64, 8), ("YXC", "TYX")),
        ((64, 64, 16), ("YXC", "TYX")),
        ((5, 64, 48, 2), ("TYXC", "TPYX")),
    ],
)
def test_a_short_last_axis_is_ambiguous_and_the_error_names_both_choices(shape, choices):
    for guess in (lambda: Axes.guess(shape), lambda: Axes.named([""] * len(shape), shape=shape)):
        with pytest.raises(AmbiguousAxesError) as refused:
            guess()
        assert refused.value.choices == choices
        for letters in choices:
            assert f'axes="{letters}" for a {Axes(letters).describe(shape)}' in str(refused.value)
            assert f"--axes {letters} for" in refused.value.ask("--axes {}")
            assert Axes.of(shape, letters, "together").letters == letters


@given(st.lists(st.integers(1, 40), min_size=2, max_size=7))
def test_every_shape_has_axes_or_a_question(shape):
    try:
        choices = (Axes.guess(tuple(shape)).letters,)
    except AmbiguousAxesError as error:
        choices = error.choices
    single = len(shape) > 2 and shape[-1] == 1
    assert len(choices) == 1 or 1 < shape[-1] <= 16
    assert {len(letters) for letters in choices} == {len(shape)}
    assert (choices[0][-1] == "C") >= single


def test_axes_are_described_in_words():
    assert (
        Axes("TCZYX").describe((12, 2, 5, 64, 32))
        == "3-D volume of 5 x 64 x 32, 2 channels fitted together, 12 frames one after another"
    )
    assert Axes("YXC", "separate").describe((64, 32, 3)) == "2-D image of 64 x 32, 3 frames one after another"
    assert Axes("TYXC").describe((1, 64, 32, 1)) == "2-D image of 64 x 32, 1 channel, 1 frame"


@pytest.mark.parametrize(
    ("letters", "message"),
    [("YX1", "must be letters"), ("YYX", "each once"), ("TX", "two or three"), ("CSYX", "one channel axis")],
)
def test_invalid_letters_are_refused(letters, message):
    with pytest.raises(ValueError, match=message):
        Axes(letters)


def test_letters_that_do_not_fit_the_shape_are_refused():
    with pytest.raises(ValueError, match="one letter for each axis"):
        Axes.of((4, 4), "ZYX", "together")
    with pytest.raises(ValueError, match="at least two axes"):
        Axes.guess((4,))
    with pytest.raises(ValueError, match="'together' or 'separate'"):
        Axes("YX", "apart")


@given(st.permutations("TPCZYX"), st.sampled_from(["together", "separate"]))
def test_frames_become_batches_and_return_to_their_places(letters, channels):
    axes = Axes("".join(letters), channels)
    array = np.arange(2 * 3 * 4 * 5 * 6 * 7).reshape(2, 3, 4, 5, 6, 7)
    again = np.zeros_like(array)
    for frame in axes.frames(array.shape):
        batch = axes.to_batch(torch.from_numpy(array[axes.at(frame)]))
        assert batch.ndim == 5
        again[axes.at(frame)] = axes.from_batch(batch).numpy()
    assert np.array_equal(again, array)


def test_a_batch_has_channels_first_and_keeps_the_order_of_spatial_axes():
    batch = Axes("YXC").to_batch(torch.zeros(5, 6, 3))
    assert batch.shape == (1, 3, 5, 6)
    assert Axes("YX").to_batch(torch.zeros(5, 6)).shape == (1, 1, 5, 6)


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (4, 5, 6), (5, 6)])
def test_a_mask_may_lack_channels_and_frames(shape, random):
    mask = random.random(shape) < 0.5
    full = Axes("TYXC").broadcast("missing", mask, (4, 5, 6, 3))
    assert full.shape == (4, 5, 6, 3)
    expected = mask if len(shape) == 4 else mask[..., None] if len(shape) == 3 else mask[None, ..., None]
    assert np.array_equal(full, np.broadcast_to(expected, full.shape))


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"missing must have the shape \(5, 6, 3\) or \(5, 6\) .* got \(6, 5\)"
    ):
        Axes("YXC").broadcast("missing", np.zeros((6, 5)), (5, 6, 3))


def test_a_mask_of_one_plane_applies_to_every_plane(random):
    mask = random.random((5, 6)) < 0.5
    full = Axes("TZYX").broadcast("missing", mask, (2, 4, 5, 6))
    assert np.array_equal(full, np.broadcast_to(mask, (2, 4, 5, 6)))


@pytest.mark.parametrize(
    ("labels", "colour", "letters"),
    [
        (("time", "z", "y", "x"), False, "TZYX"),
        (("Channel", "Y", "X"), False, "CYX"),
        (("planes", "rows", "columns"), False, "ZYX"),
        (("axis -3", "axis -2", "axis -1"), False, "TYX"),
        (("c", "axis -2", "axis -1"), False, "CYX"),
        (("t", "", ""), True, "TYXC"),
        (("c", "y", "x"), True, "TYXC"),
        (("z", "z", "y", "x"), False, "ZTYX"),
        (("x", "y", "t"), False, "XYT"),
    ],
)
def test_axes_are_guessed_from_their_names(labels, colour, letters):
    assert Axes.named(labels, colour=colour).letters == letters


@pytest.mark.parametrize(
    ("labels", "shape", "letters"),
    [
        (("", "", ""), (64, 64, 1), "YXC"),
        (("", "", ""), (64, 64, 3), "YXC"),
        (("t", "", "", ""), (5, 64, 64, 1), "TYXC"),
        (("axis -3", "axis -2", "axis -1"), (10, 8, 8), "TYX"),
        # The words tell what the last axis is, or leave no room for channels.
        (("t", "", ""), (64, 64, 2), "TYX"),
        (("z", "", ""), (64, 64, 1), "ZYX"),
        (("", "y", "x"), (64, 64, 2), "TYX"),
        (("y", "x", "c"), (64, 64, 2), "YXC"),
        (("y", "x", ""), (64, 64, 2), "YXT"),
        (("c", "", "", ""), (2, 64, 64, 1), "CTYX"),
    ],
)
def test_the_shape_tells_what_names_leave_open(labels, shape, letters):
    assert Axes.named(labels, shape=shape).letters == letters


def test_planes_become_frames_however_many_frame_axes_there_are():
    assert Axes("CZYX").plane_by_plane().letters == "CTYX"
    nine = Axes("TPQRUVZYX").plane_by_plane()
    assert nine.frame_axes == tuple(range(7))
    assert nine.letters[:6] == "TPQRUV"


def test_too_many_unnamed_axes_are_refused():
    with pytest.raises(ValueError, match="too many axes: 9"):
        Axes.named([""] * 9)


@pytest.mark.parametrize(
    ("letters", "roles", "assigned"),
    [
        ("TYX", ("spatial", "spatial", "spatial"), "ZYX"),
        ("TZYX", ("frame", "frame", "spatial", "spatial"), "TPYX"),
        ("TYX", ("channel", "spatial", "spatial"), "CYX"),
        ("XYT", ("spatial", "spatial", "frame"), "XYT"),
        ("TYXC", ("frame", "spatial", "spatial", "frame"), "TYXP"),
    ],
)
def test_roles_can_be_changed(letters, roles, assigned):
    axes = Axes(letters).assigned(roles, "separate")
    assert (axes.letters, axes.roles, axes.channels) == (assigned, roles, "separate")


@pytest.mark.parametrize(
    "roles",
    [("spatial",) * 4, ("frame", "frame", "frame", "spatial"), ("channel",) * 2 + ("spatial",) * 2],
)
def test_invalid_roles_are_refused(roles):
    with pytest.raises(ValueError, match="axes must"):
        Axes("TZYX").assigned(roles, "together")

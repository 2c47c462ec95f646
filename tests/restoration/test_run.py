"""A series survives its frames."""

import json
import logging
import threading
import warnings
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    Hourglass,
    Inpaint,
    Iterate,
    Measurement,
    NonLocalBayes,
    Outcome,
    RestorationError,
    RichardsonLucy,
    StopRequested,
    SuperResolve,
    Wiener,
    restore,
    solve,
)
from napari_dip.optim.stopping import StoppingRule
from napari_dip.restoration.frame import Frame

from .counting import Counting

SMALL = DIP(
    iterations=3,
    stopping="max-iterations",
    input_channels=2,
    precision="float32",
    initial_estimate=False,
    network=Hourglass(widths=(4,), skips=(2,)),
)
METHODS = [SMALL, PKN(kernel="isotropic"), NonLocalBayes(), FineTune(action="network")]
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


@pytest.fixture
def stack():
    """Four noisy frames, in the last of which one pixel is absurd."""
    rows, columns = np.mgrid[:32, :32]
    image = 100 + 50 * np.sin(rows / 4) * np.cos(columns / 5)
    frames = image + np.random.default_rng(0).normal(0, 8, (4, 32, 32))
    frames[3, 5, 5] = 1e30
    return frames.astype(np.float32)


@each_method
def test_a_frame_that_fails_leaves_the_others(stack, method):
    with pytest.warns(UserWarning, match=r"1 of 4 frames could not be restored \(frame 3: .*reach 1e\+30"):
        result = restore(stack, Denoise(), method, axes="TYX", device="cpu")
    assert np.isfinite(result.image[:3]).all()
    assert np.isnan(result.image[3]).all()
    (failed,) = result.failed
    assert (failed.index, failed.outcome) == ((3,), Outcome.FAILED)
    assert failed.error.startswith("single pixels of the image reach 1e+30")
    assert [report.error for report in result.frames[:3]] == [None] * 3
    record = json.loads(json.dumps(result.provenance))["frames"][3]
    assert (record["outcome"], record["error"]) == ("FAILED", failed.error)


@pytest.mark.parametrize("at", range(4))
def test_the_others_are_as_if_it_were_not_there(stack, at):
    frames = np.insert(stack[:3], at, stack[3], axis=0)
    with pytest.warns(UserWarning, match=f"frame {at}"):
        result = restore(frames, Denoise(), SMALL, axes="TYX")
    alone = restore(stack[:3], Denoise(), SMALL, axes="TYX")
    np.testing.assert_array_equal(np.delete(result.image, at, 0), alone)


def test_frames_fail_for_reasons_of_their_own(stack):
    frames = np.concatenate([stack, stack[:2]])
    frames[4, 2:] = np.nan
    frames[4, :, 1:] = np.nan  # two pixels are left
    with pytest.warns(UserWarning, match=r"2 of 6 frames .*frame 3: .*frame 4: ") as caught:
        result = restore(frames, Denoise(), SMALL, axes="TYX")
    assert len(caught) == 1
    reasons = {report.index: report.error for report in result.failed}
    assert "single pixels" in reasons[3,]
    assert "at least 4 observed pixels" in reasons[4,]


def test_a_long_list_of_failures_is_cut(stack):
    frames = np.concatenate([stack[:1], np.repeat(stack[3:], 9, axis=0)])
    with pytest.warns(UserWarning, match=r"9 of 10 frames .*; and 6 more\)$"):
        restore(frames, Denoise(), SMALL, axes="TYX")


@pytest.mark.parametrize(
    ("task", "method"),
    [(SuperResolve(), SMALL), (Deconvolve(), Wiener()), (Deconvolve(), SMALL)],
    ids=["finer", "Wiener", "blur"],
)
def test_other_tasks_survive_too(stack, task, method):
    with pytest.warns(UserWarning, match="1 of 4 frames"):
        result = restore(stack, task, method, axes="TYX")
    assert np.isnan(result.image[3]).all()
    assert np.isfinite(result.image[:3]).all()


def test_channels_and_positions_are_named_by_their_indices(stack):
    frames = np.stack([stack, stack[::-1]])
    with pytest.warns(UserWarning, match=r"2 of 8 frames .*frame 0, 3: .*frame 1, 0: "):
        result = restore(frames, Denoise(), SMALL, axes="PTYX")
    assert [report.index for report in result.failed] == [(0, 3), (1, 0)]


def test_drift_goes_on_after_a_frame_that_failed(stack):
    frames = np.stack([stack[0], stack[3], np.roll(stack[0], 2, 0)])
    with pytest.warns(UserWarning, match="frame 1"):
        result = restore(frames, Denoise(), SMALL, axes="TYX", series="drift")
    assert np.isfinite(result.image[[0, 2]]).all()


def test_a_frame_that_can_not_be_read_fails_alone(stack):
    class Broken(Counting):
        def __getitem__(self, index):
            if index[0] == 1:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    with pytest.warns(UserWarning, match="frame 1: the disk is gone"):
        result = restore(Broken(stack[:3]), Denoise(), SMALL, axes="TYX")
    assert np.isfinite(result.image[[0, 2]]).all()


@dataclass(frozen=True)
class Failing(DIP):
    """Raises an error in the second frame."""

    error: type = KeyError

    def solve(self, problem, **options):
        if float(problem.units.to_grey(problem.data).max()) > 1000:
            raise self.error("made up")
        return (yield from super().solve(problem, **options))


def failing(error):
    return Failing(**{field.name: getattr(SMALL, field.name) for field in fields(SMALL)}, error=error)


@pytest.mark.parametrize("error", [KeyError, RuntimeError, MemoryError, ValueError])
def test_whatever_goes_wrong_in_a_frame_is_recorded_and_logged(stack, error, caplog):
    frames = stack[:3].copy()
    frames[1, 0, 0] = 5000
    with pytest.warns(UserWarning, match="frame 1"), caplog.at_level(logging.ERROR, "napari_dip"):
        result = restore(frames, Denoise(), failing(error), axes="TYX")
    assert [report.index for report in result.failed] == [(1,)]
    assert any("Traceback" in (caplog.handler.format(record)) for record in caplog.records)


def test_one_image_alone_raises(stack):
    with pytest.raises(ValueError, match="single pixels"):
        restore(stack[3], Denoise(), SMALL)
    frames = stack[:1] + 5000
    with pytest.raises(KeyError):
        restore(frames, Denoise(), failing(KeyError), axes="TYX")


def test_a_series_of_which_no_frame_succeeds_raises_the_first_reason(stack):
    frames = np.stack([np.full_like(stack[3], 7), np.full_like(stack[3], np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"constant \(7\)"):
            restore(frames, Denoise(), SMALL, axes="TYX")


@pytest.mark.parametrize(
    ("task", "method", "options"),
    [
        (Denoise(), SMALL, {"guide": np.zeros((3, 3))}),
        (Denoise(), SMALL, {"psf": np.ones((3, 3))}),
        (Inpaint(), SMALL, {"missing": np.zeros((32, 32))}),
        (Inpaint(), PKN(), {}),
        (Denoise(), PKN(kernel="reblur"), {}),
        (Denoise(), SMALL, {"parameter_maps": {"width": np.ones((32, 32))}}),
    ],
)
def test_wrong_arguments_always_raise(stack, task, method, options):
    image = (1000 * stack[:3]).astype(np.int32)  # integers, so that no pixel can be missing
    with pytest.raises(ValueError, match=r"."):
        restore(image, task, method, axes="TYX", **options)


def test_raising_ends_at_the_first_failure_with_what_was_finished(stack):
    frames = np.stack([stack[0], stack[3], stack[1]])
    with pytest.raises(RestorationError, match=r"frame 1 could not be restored: single pixels") as error:
        restore(frames, Denoise(), SMALL, axes="TYX", on_error="raise")
    finished = error.value.finished
    assert isinstance(error.value.__cause__, ValueError)
    np.testing.assert_array_equal(finished.image[0], restore(stack[0], Denoise(), SMALL))
    assert np.isnan(finished.image[1:]).all()
    assert [report.index for report in finished.frames] == [(0,), (1,)]
    with pytest.raises(ValueError, match="on_error must be 'record' or 'raise', got 'ignore'"):
        restore(stack, Denoise(), SMALL, axes="TYX", on_error="ignore")


def test_solve_shows_a_failed_frame(stack):
    last = [one for one in solve(Measurement(stack, axes="TYX"), Denoise(), SMALL) if one.outcome]
    assert [one.outcome.name for one in last] == ["MAX_ITERATIONS"] * 3 + ["FAILED"]
    assert tuple(last[-1].x.shape) == (32, 32)
    assert isinstance(last[-1].error, ValueError)


def test_inpainting_leaves_frames_without_missing_pixels_as_they_are(stack):
    missing = np.zeros((3, 32, 32), bool)
    missing[1, 5:8] = True
    result = restore(stack[:3], Inpaint(), SMALL, axes="TYX", missing=missing)
    np.testing.assert_array_equal(result.image[[0, 2]], stack[[0, 2]])
    assert [report.note for report in result.frames[::2]] == [
        "No pixel of this frame is missing: it was left as it was measured."
    ] * 2
    assert result.frames[1].outcome is Outcome.MAX_ITERATIONS


def test_a_rule_of_ones_own_ends_one_frame(stack):
    """Only the user's Stop ends the series."""

    @dataclass(frozen=True)
    class AfterOne(StoppingRule):
        def start(self):
            return lambda iterate: Outcome.MAX_ITERATIONS if iterate.index >= 1 else None

    result = restore(
        stack[:3], Denoise(), replace(SMALL, iterations=50), axes="TYX", stopping_rule=AfterOne()
    )
    assert [report.iterations for report in result.frames] == [1, 1, 1]
    assert np.isfinite(result.image).all()


def test_stop_keeps_failed_frames_in_the_report(stack):
    event = threading.Event()
    frames = np.stack([stack[3], stack[0], stack[1]])

    def stop(iterate):
        if iterate.frame == (1,):
            event.set()

    with pytest.warns(UserWarning, match="1 of 2 frames"):
        result = restore(
            frames, Denoise(), SMALL, axes="TYX", stopping_rule=StopRequested(event), callback=stop
        )
    assert [report.outcome for report in result.frames] == [Outcome.FAILED, Outcome.STOPPED]
    assert np.isnan(result.image[[0, 2]]).all()


def test_stopped_before_any_frame_succeeded_it_raises_the_reason(stack):
    event = threading.Event()
    with pytest.raises(ValueError, match="single pixels of the image"):
        restore(
            stack[::-1],
            Denoise(),
            SMALL,
            axes="TYX",
            stopping_rule=StopRequested(event),
            callback=lambda iterate: event.set(),
        )


@pytest.mark.parametrize("answer", [True, "done"])
def test_a_rule_that_returns_no_outcome_is_refused(stack, answer):
    class Rule(StoppingRule):
        def start(self):
            return lambda iterate: answer if iterate.index else None

    with pytest.raises(ValueError, match="must return None or an outcome"):
        restore(stack[:2], Denoise(), SMALL, axes="TYX", stopping_rule=Rule())


@pytest.mark.parametrize("method", [Wiener(), RichardsonLucy(iterations=2)], ids=["Wiener", "RL"])
def test_a_quick_filter_stops_between_two_frames(stack, method):
    event = threading.Event()

    def stop(iterate):
        if iterate.frame == (1,) and iterate.outcome:
            event.set()

    frames = np.concatenate([stack[:3]] * 3)
    result = restore(
        frames, Deconvolve(), method, axes="TYX", stopping_rule=StopRequested(event), callback=stop
    )
    assert [report.index for report in result.frames] == [(0,), (1,)]


def test_a_rule_of_ones_own_sees_grey_levels(stack):
    """Also where the run itself works in other units."""
    seen = []

    class Watch(StoppingRule):
        def start(self):
            return lambda iterate: seen.append(float(iterate.x.mean()))

    restore(1e9 * stack[0] + 1e12, Denoise(), SMALL, stopping_rule=Watch())
    assert seen
    assert all(abs(one - 1e12) < 1e12 for one in seen)
    assert all(one > 1e11 for one in seen)


class Waiting(DIP):
    """Shows each of two images several times."""

    def solve(self, problem, **options):
        for number, image in enumerate((problem.data, problem.data + 1)):
            iterate = Iterate(number, image, problem(image))
            yield from [iterate] * 4
        yield replace(iterate, outcome=Outcome.COMPUTED)
        return {}


def test_an_image_that_waits_is_turned_into_grey_levels_once(stack, monkeypatch):
    made = []
    restored = Frame.restored
    monkeypatch.setattr(Frame, "restored", lambda frame, x=None: made.append(x) or restored(frame, x))
    assert len(list(solve(stack[0], Denoise(), Waiting()))) == 9
    assert len(made) == 2

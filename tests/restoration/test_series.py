import weakref
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    DIP,
    AiryPSF,
    Deconvolve,
    Denoise,
    GaussianPSF,
    Hourglass,
    MeasuredPSF,
    Measurement,
    Outcome,
    SuperResolve,
    residual,
    restore,
    solve,
)
from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.units import Units
from napari_dip.optim.iterate import Iterate

SHORT = DIP(iterations=3, stopping="max-iterations", input_channels=2, precision="float32")


@dataclass(frozen=True)
class Watcher:
    """A method that gives back data on the grid of x, and notes what it was given."""

    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    problems: list = field(default_factory=list)
    guides: list = field(default_factory=list)
    initial_states: list = field(default_factory=list)

    def resolved(self, device):
        return self

    def unsupported_reason(self, problem, *, guided=False):
        return None

    def solve(
        self, problem, *, seed, guide=None, initial_state=None, parameter_maps=None, stopping_rule=None
    ):
        self.problems.append(problem)
        self.guides.append(guide)
        self.initial_states.append(initial_state)
        shape = problem.grid.shape
        x = problem.data if shape == problem.data.shape[2:] else torch.zeros(1, 1, *shape)
        yield Iterate(0, x, torch.tensor(0.0), outcome=Outcome.COMPUTED)
        return {"frames": len(self.problems)}


def drifting(steps=((0, 0), (2, -3), (5, -1))):
    """A scene without borders, moved along each axis; time first."""
    scene = gaussian_filter(np.random.default_rng(2).normal(size=(48, 64)), 2, mode="wrap")
    return np.stack([np.roll(scene, step, (0, 1)) for step in steps]).astype(np.float32)


def grey(problem):
    """The data of a problem in grey levels."""
    return problem.units.to_grey(problem.data)


def working(guide):
    """A guide in the working units that suit it."""
    return Units.of(guide[np.isfinite(guide)]).to_working(guide)


def fitted(iterates):
    """Return the iterates of the fit, without those that are shown while it is prepared."""
    return [iterate for iterate in iterates if not iterate.preparing]


# How a frame follows the one before.


def test_a_frame_starts_from_what_was_learnt_of_the_last_one(phantom, random):
    stack = phantom + random.normal(0, 10, (2, 64, 64))
    method = replace(SHORT, iterations=60, network=Hourglass(widths=(16, 16), skips=(4, 4)))
    losses = {}
    for series in ("warm_start", "independent"):
        for iterate in fitted(solve(Measurement(stack, axes="TYX"), Denoise(), method, series=series)):
            losses.setdefault((series, iterate.frame), float(iterate.loss))
    assert losses["warm_start", (0,)] == losses["independent", (0,)]
    assert losses["warm_start", (1,)] < losses["independent", (1,)] - 0.5


def test_each_run_hands_its_own_weights_on(phantom):
    stream = solve(phantom, Denoise(), replace(SHORT, ensemble_size=2))
    while True:
        try:
            next(stream)
        except StopIteration as end:
            weights = end.value
            break
    first, second = ({k: v for k, v in weights.items() if k.startswith(f"{run}.")} for run in (0, 1))
    assert len(first) == len(second) == len(weights) / 2
    assert not all(torch.equal(v, second["1" + k[1:]]) for k, v in first.items())
    method = replace(SHORT, ensemble_size=2)
    again, afresh = (
        fitted(solve(phantom, Denoise(), method, initial_state=state)) for state in (weights, None)
    )
    assert float(again[0].loss) < float(afresh[0].loss)


@pytest.mark.parametrize(
    ("axes", "series", "starts"),
    [
        ("TYX", "warm_start", [None, 1, 2, 3]),
        ("TYX", "drift", [None, 1, 2, 3]),
        ("TYX", "independent", [None] * 4),
        ("PYX", "warm_start", [None] * 4),
        ("PTYX", "warm_start", [None, 1, None, 3]),
        ("PTYX", "drift", [None, 1, None, 3]),
        ("CTYX", "warm_start", [None, 1, None, 3]),
        ("TCYX", "warm_start", [None, None, 1, 2]),
    ],
)
def test_another_channel_or_position_starts_afresh(axes, series, starts, random):
    method = Watcher()
    stack = random.random((2, 2, 16, 16) if len(axes) == 4 else (4, 16, 16))
    restore(stack, Denoise(), method, axes=axes, channels="separate", series=series)
    assert [state and state["frames"] for state in method.initial_states] == starts


def test_the_second_position_is_as_if_there_were_no_first(random, tiny):
    stack = random.random((2, 2, 16, 16))
    together = restore(stack, Denoise(), tiny, axes="PTYX").image
    assert np.array_equal(together[1], restore(stack[1], Denoise(), tiny, axes="TYX").image)


@pytest.mark.parametrize("series", ["warm_start", "independent"])
def test_weights_are_kept_no_longer_than_they_are_needed(series, random):
    class Weights:
        pass

    @dataclass(frozen=True)
    class Learning(Watcher):
        alive: list = field(default_factory=list)

        def solve(self, problem, **options):
            yield from super().solve(problem, **options)
            learnt = Weights()
            self.alive.append(weakref.ref(learnt))
            return {"frames": 1, "learnt": learnt}

    method, most = Learning(), 0

    def count(iterate):
        nonlocal most
        method.initial_states.clear()
        most = max(most, sum(one() is not None for one in method.alive))

    restore(random.random((5, 2, 9, 9)), Denoise(), method, axes="PTYX", series=series, callback=count)
    assert len(method.alive) == 10
    assert most <= 2


def test_a_start_from_outside_is_for_the_first_frame(random):
    method = Watcher()
    restore(random.random((2, 16, 16)), Denoise(), method, axes="TYX", initial_state={"frames": "mine"})
    assert [state["frames"] for state in method.initial_states] == ["mine", 1]


@pytest.mark.parametrize(
    ("letters", "channels", "frame", "scene"),
    [
        ("TYX", "together", (3,), ()),
        ("PYX", "together", (3,), (3,)),
        ("PTYX", "together", (1, 3), (1,)),
        ("TCYX", "separate", (3, 1), (1,)),
        ("TCYX", "together", (3,), ()),
        ("YXS", "separate", (2,), (2,)),
    ],
)
def test_a_scene_is_a_channel_and_a_position(letters, channels, frame, scene):
    assert Axes(letters, channels).scene(frame) == scene


# Drift.


def test_with_drift_made_up_for_the_method_sees_a_scene_that_stays(tiny):
    stack, method = drifting(), Watcher()
    restore(stack, Denoise(), method, axes="TYX", series="drift")
    for problem in method.problems:
        np.testing.assert_allclose(grey(problem)[0, 0], stack[0], atol=1e-6)


def test_the_results_lie_where_the_data_do():
    stack = drifting()
    result = restore(stack, Denoise(), Watcher(), axes="TYX", series="drift")
    np.testing.assert_allclose(result.image, stack, atol=1e-6)
    assert result.provenance["series"] == "drift"


def test_mask_and_guide_move_with_the_scene():
    stack, method = drifting(), Watcher()
    missing = np.zeros((3, 48, 64), bool)
    missing[1, 5, 7] = True
    restore(stack, Denoise(), method, axes="TYX", series="drift", missing=missing, guide=stack)
    for guide in method.guides:
        np.testing.assert_allclose(guide[0, 0], working(stack[0]), atol=1e-4)
    first, second, _ = ((problem.weights[0, 0] == 0).nonzero().tolist() for problem in method.problems)
    assert (first, second) == ([], [[5 - 2, 7 + 3]])


def test_another_position_has_its_own_drift():
    stack, method = drifting(), Watcher()
    both = np.stack([stack, stack[::-1]])
    result = restore(both, Denoise(), method, axes="PTYX", series="drift")
    np.testing.assert_allclose(result.image, both, atol=1e-6)
    for problem in method.problems[3:]:
        np.testing.assert_allclose(grey(problem)[0, 0], stack[-1], atol=1e-6)


@pytest.mark.parametrize("task", [SuperResolve(), Deconvolve()], ids=lambda task: type(task).__name__)
def test_drift_is_refused_where_results_have_other_pixels(task):
    with pytest.raises(InputError, match=rf"{type(task).__name__} gives it others: register") as error:
        solve(Measurement(drifting(), axes="TYX"), task, SHORT, series="drift")
    assert error.value.argument == "series"


def test_an_unknown_way_to_follow_is_refused():
    with pytest.raises(
        InputError, match="series must be one of warm_start, drift, independent, got 'cold'"
    ) as error:
        solve(Measurement(drifting(), axes="TYX"), Denoise(), SHORT, series="cold")
    assert error.value.argument == "series"


# Guides.


def guides(image, guide, task=None, **options):
    method = Watcher()
    restore(image, task or Denoise(), method, guide=guide, **options)
    return method.guides


def test_a_guide_serves_all_frames(random):
    stack, guide = random.random((2, 10, 12)), random.random((10, 12))
    for seen in guides(stack, guide, axes="TYX"):
        np.testing.assert_array_equal(seen[0, 0], working(guide))


def test_a_guide_may_have_channels_last(random):
    guide = random.random((10, 12, 5))
    for image, axes in [((10, 12), "YX"), ((3, 10, 12), "CYX")]:
        (seen,) = guides(random.random(image), guide, axes=axes)
        np.testing.assert_array_equal(seen[0], np.moveaxis(working(guide), -1, 0))


@pytest.mark.parametrize(
    ("axes", "channels", "frames"),
    [("TCYX", "together", 2), ("TCYX", "separate", 6), ("CYXT", "together", 2)],
)
def test_a_guide_with_all_axes_is_taken_frame_by_frame(axes, channels, frames, random):
    sizes = {"T": 2, "C": 3, "Y": 10, "X": 12}
    image = random.random([sizes[letter] for letter in axes]).astype(np.float32)
    method = Watcher()
    restore(image, Denoise(), method, axes=axes, channels=channels, guide=image)
    assert len(method.guides) == frames
    for guide, problem in zip(method.guides, method.problems, strict=True):
        assert torch.equal(guide, problem.data)


def test_a_guide_of_a_volume(random):
    guide = random.random((4, 10, 12, 2))
    (seen,) = guides(random.random((4, 10, 12)), guide, axes="ZYX")
    np.testing.assert_array_equal(seen[0, 1], working(guide)[..., 1])


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        (np.zeros((12, 10)), r"shape \(10, 12\), with or without channels last.*got \(12, 10\)"),
        (np.zeros((3, 10, 12)), r"got \(3, 10, 12\): resample it"),
        (np.zeros(()), r"got \(\)"),
        (np.zeros((10, 12, 0)), r"got \(10, 12, 0\)"),
        (np.zeros((10, 12, 2, 2)), r"got \(10, 12, 2, 2\)"),
        (np.zeros((10, 12), complex), "real numbers, got dtype complex128"),
        (np.full((10, 12), "x"), "real numbers, got dtype <U1"),
    ],
)
def test_impossible_guides_are_refused_in_words(guide, message, random):
    with pytest.raises(InputError, match=message) as error:
        solve(Measurement(random.random((10, 12)), guide=guide), Denoise(), SHORT)
    assert error.value.argument == "guide"


def test_grey_levels_of_a_guide_that_are_not_finite_become_its_mean(random):
    guide = random.random((10, 12))
    guide[0, :3] = np.nan, np.inf, -1e300  # float32 ends at 3e38
    usable = np.isfinite(guide) & (guide > -1)
    before = guide.copy()
    (seen,) = guides(random.random((10, 12)), guide)
    values = seen[0, 0].numpy()
    np.testing.assert_allclose(values[~usable], values[usable].mean(), rtol=1e-5)
    np.testing.assert_array_equal(values[usable], working(guide)[usable])
    np.testing.assert_array_equal(guide, before)
    (seen,) = guides(random.random((10, 12)), np.full((10, 12), np.nan))
    assert seen.isfinite().all()


def test_a_guide_of_super_resolution_lies_on_the_fine_grid(random):
    image, fine = random.random((10, 12)), random.random((20, 24))
    (seen,) = guides(image, fine, SuperResolve())
    np.testing.assert_array_equal(seen[0, 0], working(fine))
    with pytest.raises(InputError, match=r"guide must have the shape \(20, 24\)"):
        guides(image, random.random((10, 12)), SuperResolve())


def test_a_guide_of_deconvolution_goes_on_beyond_the_border(random):
    image = random.random((20, 24))
    method = Watcher()
    restore(image, Deconvolve(psf=GaussianPSF(2.0)), method, guide=image)
    margin = (method.problems[0].grid.shape[0] - 20) // 2
    assert margin > 0
    np.testing.assert_array_equal(method.guides[0][0, 0], np.pad(working(image), margin, "edge"))


@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "i8", "f2", ">f8"])
def test_a_guide_may_have_any_dtype_and_is_left_alone(dtype, random):
    guide = (100 * random.random((10, 12))).astype(dtype)
    guide.setflags(write=False)
    (seen,) = guides(random.random((10, 12)), guide)
    np.testing.assert_array_equal(seen[0, 0], working(guide))


# Measured point spread functions.


def refused_psf(message, psf, task=None, shape=(16, 18)):
    image = np.random.default_rng(0).random(shape)
    with pytest.raises(InputError, match=message) as error:
        solve(Measurement(image, psf=psf), task or Deconvolve(psf=MeasuredPSF()), SHORT)
    assert error.value.argument == "psf"


def test_a_measured_psf_has_to_be_given():
    refused_psf("a measured point spread function is needed, but none is given", None)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Denoise(), "Denoise takes no point spread function"),
        (Deconvolve(psf=AiryPSF()), r"Deconvolve already has the point spread function AiryPSF\(fwhm=3.0"),
    ],
)
def test_a_psf_beside_another_one_is_refused(task, message):
    refused_psf(message, np.ones((3, 3)), task)


def test_a_psf_is_enough_without_settings_beside_it(random):
    image, psf = random.random((16, 18)), np.ones((3, 3))
    for task in (Deconvolve(), SuperResolve()):
        result = restore(image, task, Watcher(), psf=psf)
        assert result.provenance["task"]["psf"] == {"type": "MeasuredPSF", "background": "keep"}
        said = replace(task, psf=MeasuredPSF())
        np.testing.assert_array_equal(result, restore(image, said, Watcher(), psf=psf))


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.array([[0, 1, np.nan]]), "must be finite"),
        (np.array([[-0.9, 1, 0]]), "must not be negative, got -0.9"),
        (np.zeros((3, 3)), "is zero everywhere"),
        (np.ones((3, 3, 3)), "one more axis would hold a kernel for each channel, but the image has no"),
        (np.ones(3), "must have 2 axes"),
        (np.ones((3, 3), complex), "must be real numbers"),
    ],
)
def test_an_impossible_psf_is_refused_in_words(psf, message):
    refused_psf(message, psf)


def test_a_measured_psf_serves_all_frames_in_any_unit(random):
    stack, psf = random.random((2, 16, 18)), 1000 * random.random((3, 5))
    psf += np.flip(psf)
    psf[1, 2] = 5000
    method = Watcher()
    restore(stack, Deconvolve(psf=MeasuredPSF()), method, psf=psf.astype(">u2"), axes="TYX")
    for problem in method.problems:
        assert float(problem.operator.psf.sum()) == pytest.approx(1)
        np.testing.assert_allclose(problem.operator.psf, psf.astype("u2") / psf.astype("u2").sum(), rtol=1e-5)


# Channels, frames and finer pixels.


@pytest.mark.parametrize(
    ("axes", "shape", "task", "restored"),
    [
        ("YX", (10, 12), SuperResolve(), (20, 24)),
        ("YXC", (10, 12, 3), SuperResolve(factor=3), (30, 36, 3)),
        ("TCXY", (2, 3, 10, 12), SuperResolve(), (2, 3, 20, 24)),
        ("TZYX", (2, 3, 10, 12), SuperResolve(factor=4, along="axial"), (2, 12, 10, 12)),
        ("ZYX", (3, 10, 12), SuperResolve(along="lateral"), (3, 20, 24)),
        ("ZYX", (3, 10, 12), SuperResolve(), (6, 20, 24)),
        ("TYX", (2, 20, 22), Deconvolve(), (2, 20, 22)),
    ],
)
@pytest.mark.parametrize("channels", ["together", "separate"])
def test_restored_shapes(axes, shape, task, restored, channels, random):
    image = random.random(shape)
    measurement = Measurement(image, axes=axes, channels=channels)
    frames = [iterate.x.shape for iterate in solve(measurement, task, SHORT)]
    result = restore(measurement, task, SHORT)
    assert result.shape == restored
    assert np.isfinite(result.image).all()
    layout = Axes(axes, channels)
    assert set(frames) == {np.empty(restored)[layout.at(frame)].shape for frame in layout.frames(shape)}
    assert residual(measurement, result, task).shape == shape

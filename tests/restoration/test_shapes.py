"""Images of any shape, however narrow, are restored to the right shape or refused in words before the run."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_dip import (
    DIP,
    PKN,
    Decoder,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    LaplaceNoise,
    MeasuredPSF,
    Measurement,
    NonLocalBayes,
    PoissonNoise,
    RichardsonLucy,
    SuperResolve,
    Wiener,
    estimate_cost,
    estimate_noise,
    residual,
    restore,
    solve,
)
from napari_dip.errors import InputError
from napari_dip.pkn.kernels.registry import KERNELS
from napari_dip.restoration.readapt import Readapt
from napari_dip.restoration.refilter import Refilter
from napari_dip.restoration.series import restored_shape

SHORT = DIP(
    iterations=3,
    input_channels=2,
    precision="float32",
    network=Hourglass(widths=(4, 4, 4), skips=(2, 0, 2)),
)
LARGE_FILTERS = Hourglass(
    widths=(4, 4, 4), skips=(2, 2, 2), kernel_down=5, downsampling="average", padding="reflect"
)
METHODS = [
    SHORT,
    replace(SHORT, stopping="max-iterations"),
    replace(SHORT, stopping="discrepancy"),
    replace(SHORT, stopping="variance", ensemble_size=2),
    replace(SHORT, input="coordinates", network=LARGE_FILTERS),
    replace(SHORT, network=Decoder(width=4, layers=3)),
    *(PKN(kernel=kernel) for kernel in KERNELS),
    PKN(predictor="structure-tensor"),
    PKN(predictor="constant"),
    FineTune(action="network"),
    NonLocalBayes(),
    RichardsonLucy(iterations=2),
    Wiener(),
]
NARROW = GaussianPSF(fwhm=1.0)
TASKS = [
    Denoise(),
    Denoise(GaussianNoise(10.0)),
    Denoise(PoissonNoise()),
    Denoise(LaplaceNoise(10.0)),
    Inpaint(),
    Inpaint(keep_observed=False),
    SuperResolve(),
    SuperResolve(GaussianNoise(10.0), factor=3, along="lateral", downsampling="area"),
    SuperResolve(psf=NARROW),
    Deconvolve(psf=NARROW),
    Deconvolve(GaussianNoise(10.0), psf=MeasuredPSF(), floor=0.0),
]
PAIRS = [(task, method) for task in TASKS for method in METHODS if isinstance(task, method.tasks)]
KNOWN = GaussianNoise(10.0)

#: Shapes on which methods failed, and others of their kind.
SHAPES = [
    ((80, 1), None),
    ((1, 80), None),
    ((64, 1), None),
    ((8, 1), None),
    ((2, 9), None),
    ((1, 1), None),
    ((3, 3), None),
    ((5, 5), None),
    ((16, 16), None),
    ((24, 24, 1), None),
    ((2, 12, 12, 1), None),
    ((2, 1, 40), None),
    ((2, 40, 1), "TYX"),
    ((3, 1, 24), "CYX"),
    ((24, 1, 3), "YXC"),
    ((1, 1, 24), "ZYX"),
    ((6, 1, 12), "ZYX"),
    ((9, 9, 1), "ZYX"),
    ((2, 1, 9, 9), "CZYX"),
]


def values(shape):
    """Return an image of this shape with noise."""
    return np.random.default_rng(3).normal(100, 20, shape)


def known_of(image, axes, task):
    """Return what else is known of an image: missing pixels, or the image of a point along its last axis."""
    known = {"axes": axes}
    if task.needs_missing:
        known["missing"] = np.arange(image.size).reshape(image.shape) % 4 == 1
    if task.needs_psf:
        layout = Measurement(image, axes=axes).layout
        width = 3 if image.shape[layout.spatial[-1]] >= 3 else 1
        known["psf"] = np.array([1.0, 2.0, 1.0])[:width].reshape(*(1,) * (len(layout.spatial) - 1), width)
    return known


def follows_the_law(image, task, method, **known):
    """Restore an image, and check the result; return None if it was refused in words before the run."""
    try:
        measurement = Measurement(image, **known)
        solve(measurement, task, method).close()
    except InputError:
        return None
    restored = restore(measurement, task, method)
    assert restored.shape == restored_shape(image.shape, measurement.layout, task)
    assert np.isfinite(restored.image).all()
    return restored


@st.composite
def images(draw):
    """Draw the sizes of an image, many of them tiny, its axes, and a task with a method."""
    axes = draw(st.sampled_from(["YX", "YX", "ZYX", "CYX", "YXC", "TYX", "XYT"]))
    sizes = {"ZYX": (1, 2, 3, 5, 9), "spatial": (1, 1, 2, 3, 5, 8, 9, 13, 17, 24), "other": (1, 2)}
    kinds = ["other" if letter in "CT" else "ZYX" if axes == "ZYX" else "spatial" for letter in axes]
    shape = tuple(draw(st.sampled_from(sizes[kind])) for kind in kinds)
    return shape, axes, *draw(st.sampled_from(PAIRS))


@given(images())
@example(((40, 1), "YX", Denoise(), SHORT))
@example(((5, 1, 9), "ZYX", Denoise(LaplaceNoise(10.0)), SHORT))
@example(((9, 1), "YX", Denoise(PoissonNoise()), replace(SHORT, network=Decoder(width=4, layers=3))))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_shape_is_restored_or_refused_before_the_run(drawn):
    shape, axes, task, method = drawn
    image = values(shape)
    follows_the_law(image, task, method, **known_of(image, axes, task))


@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_deep_image_prior_restores_whatever_has_eight_pixels_in_a_row(shape, axes):
    image = values(shape)
    layout = Measurement(image, axes=axes).layout
    longest = max(shape[axis] for axis in layout.spatial)
    for task in (Denoise(), Inpaint()):
        restored = follows_the_law(image, task, SHORT, **known_of(image, axes, task))
        assert (restored is not None) == (longest >= 8)


@pytest.mark.parametrize(("shape", "axes"), [((6, 6), None), ((9, 40), None), ((18, 20, 1), None)])
def test_kernels_restore_what_is_larger_than_their_window(shape, axes):
    image = values(shape)
    for name, kernel in KERNELS.items():
        task = {"denoise": Denoise(KNOWN), "deblur": Deconvolve(KNOWN, NARROW), "refine": SuperResolve(KNOWN)}
        one, method = task[kernel.purpose], PKN(kernel=name)
        restored = follows_the_law(image, one, method, axes=axes)
        assert (restored is not None) == (min(shape[:2]) > kernel().margin if name != "upsample" else True)
        if restored is not None:
            again = Refilter(Measurement(image, axes=axes), one, method)
            for corner in ((0,) * restored.ndim, tuple(n - 1 for n in restored.shape)):
                assert again.kernel_at(corner, 1.0).weights.sum() == pytest.approx(1, abs=1e-3)
            maps = restore(image, one, method, axes=axes, return_maps=True).parameter_maps
            assert {one.values.shape for one in maps.values()} == {restored.shape[:2]}


def test_noise_that_so_few_pixels_can_not_show_is_refused_before_the_run():
    for image in (values((14, 15)), values((14, 15, 1)), np.stack([values((8, 9))] * 3)):
        axes = "CYX" if image.ndim == 3 and image.shape[-1] > 1 else None
        with pytest.raises(InputError, match=r"noise can't be measured.*200 are needed.*larger image"):
            solve(Measurement(image, axes=axes), Denoise(), PKN())
    enough = np.stack([values((9, 12))] * 3)  # 210 neighbourhoods
    assert follows_the_law(enough, Denoise(), PKN(kernel="anisotropic"), axes="CYX") is not None
    gaps = values((20, 20))
    gaps[::3] = np.nan
    with pytest.raises(InputError, match="only 0 neighbourhoods"):
        solve(gaps, Denoise(), PKN())


@pytest.mark.parametrize("shape", [(16, 16), (17, 16, 1), (2, 16, 18)])
def test_pretrained_networks_restore_sixteen_pixels_along_each_axis(shape):
    image = values(shape)
    tuned = FineTune(action="fine-tuning", iterations=1, learning_rate=1e-4, self_ensemble=False)
    for task in (Denoise(), SuperResolve()):
        restored = follows_the_law(image, task, tuned)
        again = Readapt(image, task, tuned, restored.states)
        for frame, pixels in again.restored(0.5):
            assert pixels.shape == restored[frame].shape
            assert np.isfinite(pixels).all()
    rows = shape.index(16)
    assert follows_the_law(image.take(range(15), rows), Denoise(), FineTune()) is None


@pytest.mark.parametrize("shape", [(40, 1), (1, 40), (24, 2)])
def test_a_line_of_pixels_is_deconvolved_along_its_length(shape):
    psf = np.array([1.0, 2.0, 1.0]).reshape((3, 1) if shape[0] > shape[1] else (1, 3))
    image = values(shape)
    for method in (SHORT, RichardsonLucy(iterations=3), Wiener()):
        assert follows_the_law(image, Deconvolve(), method, psf=psf) is not None
    with pytest.raises(InputError, match="measured one that has a single pixel along the short axis"):
        restore(image, Deconvolve(psf=NARROW), Wiener())


@pytest.mark.parametrize(("shape", "axes"), [((40, 1), None), ((12, 12, 1), None), ((1, 9, 9), "ZYX")])
@pytest.mark.parametrize("task", [Denoise(KNOWN), SuperResolve(KNOWN), Inpaint()])
def test_a_guide_of_any_form_serves_a_narrow_image(shape, axes, task):
    image = values(shape)
    layout = Measurement(image, axes=axes).layout
    whole = restored_shape(shape, layout, task)
    spatial = tuple(whole[axis] for axis in layout.spatial)
    for form in {whole, spatial, (*spatial, 2)}:
        known = {**known_of(image, axes, task), "guide": values(form)}
        for method in (SHORT, replace(SHORT, input="guide")):
            assert follows_the_law(image, task, method, **known) is not None


@pytest.mark.parametrize(("shape", "axes"), [((80, 1), None), ((12, 12, 1), None), ((1, 9, 9), "ZYX")])
def test_cost_and_residual_of_a_narrow_image(shape, axes):
    measurement = Measurement(values(shape), axes=axes)
    for task in (Denoise(KNOWN), SuperResolve(KNOWN)):
        assert estimate_cost(measurement, task, SHORT, device="cpu").bytes > 0
        left = residual(measurement, np.full(restored_shape(shape, measurement.layout, task), 90.0), task)
        np.testing.assert_allclose(left, measurement.image - 90, atol=1e-3)


@pytest.mark.parametrize("shape", [(3, 1, 24), (3, 24, 1)])
@pytest.mark.parametrize("series", ["warm_start", "drift", "independent"])
def test_frames_that_are_lines_of_pixels_follow_each_other(shape, series):
    restored = restore(values(shape), Denoise(), SHORT, axes="TYX", series=series)
    assert np.isfinite(restored.image).all()


@pytest.mark.parametrize("form", [(12, 14), (12, 14, 1)])
def test_a_mask_may_leave_out_a_channel_axis_of_length_1(form):
    image, missing = values((12, 14, 1)), np.zeros(form, bool)
    missing[3:6] = True
    filled = follows_the_law(image, Inpaint(), SHORT, missing=missing)
    np.testing.assert_array_equal(filled.image[6:], image[6:])


def test_a_channel_axis_of_length_1_changes_no_pixel():
    """So an array of shape (H, W, 1) is an image, and not H frames of W x 1 pixels."""
    image = values((20, 22))
    for method in (SHORT, PKN(kernel="nlm"), FineTune(action="network")):
        plain = restore(image, Denoise(KNOWN), method)
        with_channel = restore(image[..., None], Denoise(KNOWN), method)
        np.testing.assert_array_equal(with_channel.image[..., 0], plain.image)
        assert with_channel.provenance["axes"] == "YXC"


@pytest.mark.parametrize("shape", [(32, 32, 2), (9, 9, 5), (2, 12, 12, 2), (40, 48, 7)])
def test_a_last_axis_that_may_hold_channels_is_asked_for(shape):
    with pytest.raises(InputError, match=r'axes="T?YXC".* or axes="TP?YX"') as refused:
        restore(values(shape), Denoise(), SHORT)
    assert refused.value.argument == "axes"
    with pytest.raises(InputError, match="may hold channels"):
        estimate_noise(KNOWN, values(shape))
    assert restore(values((9, 9, 2)), Denoise(), SHORT, axes="YXC").shape == (9, 9, 2)

import warnings
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    Measurement,
    PoissonGaussianNoise,
    PoissonNoise,
    RestorationError,
    StopRequested,
    SuperResolve,
    UnknownNoise,
    restore,
    solve,
)
from napari_dip.operators import Blur, Resample
from napari_dip.optim.iterate import Outcome
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.pkn.maps import NOISE_GAIN
from napari_dip.restoration.remarks import SuspectDataWarning

STRUCTURE = PKN(predictor="structure-tensor")
SIGMA = 25.0
GAUSSIAN = Denoise(GaussianNoise(SIGMA))
TASKS = {"denoise": GAUSSIAN, "deblur": Deconvolve(psf=GaussianPSF(3.0)), "refine": SuperResolve(factor=2)}

#: A deconvolution whose point spread function fits into a small image.
SMALL = {"deblur": Deconvolve(psf=GaussianPSF(1.2))}
DENOISERS = [name for name, kernel in KERNELS.items() if kernel.purpose == "denoise"]


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((np.asarray(image, float) - truth) ** 2))


def given(kernel, shape, **values):
    """Return constant maps of the default values, or of those that are named."""
    return {one.name: np.full(shape, values.get(one.name, one.default)) for one in kernel.parameters}


@pytest.fixture
def noisy(phantom, random):
    return (phantom + random.normal(0, SIGMA, phantom.shape)).astype(np.float32)


class TestQuality:
    @pytest.mark.parametrize(
        ("kernel", "decibels"), [("isotropic", 4.0), ("anisotropic", 4.5), ("bilateral", 5.0)]
    )
    def test_the_structure_tensor_denoises(self, kernel, decibels, phantom, noisy):
        restored = restore(noisy, GAUSSIAN, replace(STRUCTURE, kernel=kernel))
        assert psnr(restored, phantom) > psnr(noisy, phantom) + decibels

    def test_the_structure_tensor_upsamples_better_than_repeated_pixels(self, phantom, random):
        data = Resample((2, 2))(torch.as_tensor(phantom)[None, None])[0, 0].numpy()
        data = data + random.normal(0, 10, data.shape)
        restored = restore(data, SuperResolve(factor=2, noise=GaussianNoise(10.0)), STRUCTURE)
        repeated = data.repeat(2, 0).repeat(2, 1)
        assert restored.image.shape == phantom.shape
        assert psnr(restored, phantom) > psnr(repeated, phantom) + 1

    @pytest.mark.parametrize("name", DENOISERS)
    def test_each_network_denoises_better_than_one_setting(self, name, phantom, noisy):
        """The same weights serve strong and weak noise.

        A constant setting of a filter that compares grey levels keeps edges too. On a phantom, which has
        little else, it is as good.
        """
        for sigma in (10.0, 50.0):
            data = phantom + (noisy - phantom) * (sigma / SIGMA)
            network, constant = (
                psnr(
                    restore(data, Denoise(GaussianNoise(sigma)), PKN(kernel=name, predictor=predictor)),
                    phantom,
                )
                for predictor in ("network", "constant")
            )
            assert network > psnr(data, phantom) + 3
            assert name in ("bilateral", "nlm") or network > constant + 0.3

    @pytest.mark.parametrize("name", ["reblur", "anisotropic-reblur"])
    def test_each_network_deconvolves(self, name, phantom, random):
        psf = GaussianPSF(3.5)
        wide = np.pad(phantom, 20, mode="reflect")
        blurred = Blur(torch.from_numpy(psf.kernel(2)))(torch.as_tensor(wide)[None, None].double())[
            0, 0
        ].numpy()
        margin = (blurred.shape[0] - 64) // 2
        data = blurred[margin:-margin, margin:-margin] + random.normal(0, 3, phantom.shape)
        restored = restore(data, Deconvolve(psf=psf, noise=GaussianNoise(3.0)), PKN(kernel=name))
        assert psnr(restored, phantom) > psnr(data, phantom) + 1

    def test_the_network_upsamples(self, phantom, random):
        data = Resample((2, 2))(torch.as_tensor(phantom)[None, None])[0, 0].numpy()
        data = data + random.normal(0, 10, data.shape)
        restored = restore(data, SuperResolve(factor=2, noise=GaussianNoise(10.0)), PKN())
        assert psnr(restored, phantom) > psnr(data.repeat(2, 0).repeat(2, 1), phantom) + 2

    def test_measured_noise_is_as_good_as_known_noise(self, phantom, noisy):
        known, measured = (
            restore(noisy, Denoise(noise), STRUCTURE) for noise in (GaussianNoise(SIGMA), UnknownNoise())
        )
        assert psnr(measured, phantom) > psnr(known, phantom) - 0.3

    def test_photon_noise_is_filtered_equally_in_bright_and_dark_regions(self, random):
        """In bright regions it is ten times as strong; with one σ for all, most of it would be kept."""
        flat = np.repeat([[20.0] * 32 + [2000.0] * 32], 64, 0)
        data = random.poisson(flat).astype(np.float32)
        gain = (
            restore(data, Denoise(PoissonNoise()), STRUCTURE, return_maps=True)
            .parameter_maps[NOISE_GAIN]
            .values
        )
        inner = gain[:, 4:24], gain[:, 40:60]
        assert inner[0].mean() == pytest.approx(inner[1].mean(), rel=0.15)
        assert gain.max() <= 1 + 1e-6

    def test_grey_levels_below_the_offset_give_finite_results(self, random):
        data = 100 + random.normal(0, 2, (30, 32))
        for noise in (
            PoissonNoise(gain=2.0, offset=110.0),
            PoissonGaussianNoise(offset=110.0, read_noise=0.0),
        ):
            with pytest.warns(SuspectDataWarning, match="below the offset"):
                result = restore(data, Denoise(noise), STRUCTURE)
            assert np.isfinite(result.image).all()

    @pytest.mark.parametrize(("kernel", "decibels"), [("bilateral", 2.0), ("nlm", 1.0)])
    @pytest.mark.parametrize("own", [0.0, 5.0])
    def test_a_guide_helps(self, kernel, decibels, own, phantom, random):
        """Its grey levels may differ, and it may have noise or none."""
        noisy = phantom + random.normal(0, 50, phantom.shape)
        guide = 3 * (phantom + random.normal(0, own, phantom.shape)) + 7
        maps = given(KERNELS[kernel], phantom.shape)
        alone, guided = (
            restore(noisy, Denoise(GaussianNoise(50.0)), PKN(kernel=kernel), parameter_maps=maps, guide=one)
            for one in (None, guide)
        )
        assert psnr(guided, phantom) > psnr(alone, phantom) + decibels

    def test_a_guide_without_structure_does_no_harm(self, noisy, phantom):
        for name in ("bilateral", "nlm"):
            maps = given(KERNELS[name], phantom.shape)
            guided = restore(
                noisy, GAUSSIAN, PKN(kernel=name), parameter_maps=maps, guide=np.full(phantom.shape, 5.0)
            )
            assert np.isfinite(guided.image).all()


class TestContract:
    @pytest.mark.parametrize("dtype", ["uint8", ">u2", "float16", "float64"])
    def test_any_dtype_comes_out_as_float32_in_its_grey_levels(self, dtype, phantom):
        data = phantom.astype(dtype)
        before = data.copy()
        restored = restore(data, Denoise(GaussianNoise(5.0)), STRUCTURE)
        assert restored.image.dtype == np.float32
        assert np.array_equal(data, before)
        assert restored.outcome is Outcome.COMPUTED
        assert psnr(restored, phantom) > 25

    def test_arguments_are_not_modified(self, noisy):
        missing, guide = np.zeros(noisy.shape), noisy.copy()
        missing[5:9, 3:20] = 1
        maps = given(KERNELS["bilateral"], noisy.shape)
        parts = [noisy, missing, guide, *maps.values()]
        before = [part.copy() for part in parts]
        restore(noisy, GAUSSIAN, PKN(kernel="bilateral"), missing=missing, guide=guide, parameter_maps=maps)
        assert all(np.array_equal(one, other) for one, other in zip(parts, before, strict=True))

    @pytest.mark.parametrize("name", list(KERNELS))
    def test_given_maps_are_returned_and_reproduce_the_image(self, name, noisy, random):
        kernel = kernel_of(name)
        shape = tuple(kernel.factor * n for n in noisy.shape)
        maps = {
            one.name: random.uniform(0.9 * one.low + 0.1 * one.default, one.default, shape)
            for one in kernel.parameters
        }
        task, method = TASKS[kernel.purpose], PKN(kernel=name)
        first = restore(noisy, task, method, parameter_maps=maps, return_maps=True)
        assert list(first.parameter_maps) == [*maps, NOISE_GAIN]
        kept = {name: one.values for name, one in first.parameter_maps.items() if name != NOISE_GAIN}
        for one in maps:
            np.testing.assert_allclose(kept[one], maps[one], rtol=1e-6)
        again = restore(noisy, task, method, parameter_maps=kept)
        assert np.array_equal(first.image, again.image)

    def test_predicted_maps_make_the_predicted_image(self, noisy):
        first = restore(noisy, GAUSSIAN, STRUCTURE, return_maps=True)
        kept = {name: one.values for name, one in first.parameter_maps.items() if name != NOISE_GAIN}
        np.testing.assert_allclose(restore(noisy, GAUSSIAN, PKN(), parameter_maps=kept), first, rtol=1e-5)
        assert restore(noisy, GAUSSIAN, STRUCTURE).parameter_maps == {}

    def test_a_volume_is_its_planes(self, phantom, random):
        volume = np.stack([phantom, phantom[::-1], phantom.T]) + random.normal(0, SIGMA, (3, 64, 64))
        whole = restore(volume, GAUSSIAN, STRUCTURE, axes="ZYX", return_maps=True)
        assert [report.index for report in whole.frames] == [(0,), (1,), (2,)]
        for at, plane in enumerate(volume):
            alone = restore(plane, GAUSSIAN, STRUCTURE, return_maps=True)
            assert np.array_equal(whole.image[at], alone.image)
            for name, one in alone.parameter_maps.items():
                assert np.array_equal(whole.parameter_maps[name].values[at], one.values), name

    def test_each_frame_of_a_series_can_have_its_own_maps_or_share_them(self, noisy):
        frames = np.stack([noisy, noisy[::-1]])
        kernel = KERNELS["isotropic"]
        width = np.stack([np.full(noisy.shape, 0.5), np.full(noisy.shape, 3.0)])
        own = restore(frames, GAUSSIAN, PKN(kernel=kernel.name), axes="TYX", parameter_maps={"width": width})
        shared = restore(
            frames, GAUSSIAN, PKN(kernel=kernel.name), axes="TYX", parameter_maps={"width": width[1]}
        )
        for at in range(2):
            for whole, one in ((own, width[at]), (shared, width[1])):
                alone = restore(frames[at], GAUSSIAN, PKN(kernel=kernel.name), parameter_maps={"width": one})
                assert np.array_equal(whole.image[at], alone.image)

    def test_each_frame_is_predicted_afresh(self, phantom, random):
        """The frame before it has no influence."""
        frames = np.stack([np.full_like(phantom, 100), phantom]) + random.normal(0, SIGMA, (2, 64, 64))
        series = restore(frames, GAUSSIAN, STRUCTURE, axes="TYX")
        assert np.array_equal(series.image[1], restore(frames[1], GAUSSIAN, STRUCTURE).image)

    def test_channels_that_are_filtered_alike_share_their_maps(self, phantom, random):
        truth = np.stack([phantom, phantom / 2 + 60, 240 - phantom], -1)
        colours = truth + random.normal(0, SIGMA, truth.shape)
        method = replace(STRUCTURE, separate_colours=False)
        together = restore(colours, GAUSSIAN, method, return_maps=True)
        assert together.image.shape == (64, 64, 3)
        assert all(one.values.shape == (64, 64) for one in together.parameter_maps.values())
        kept = {name: one.values for name, one in together.parameter_maps.items() if name != NOISE_GAIN}
        for c in range(3):
            alone = restore(colours[..., c], GAUSSIAN, PKN(), parameter_maps=kept)
            np.testing.assert_allclose(together.image[..., c], alone, rtol=1e-5, atol=1e-4)
        assert psnr(together, truth) > psnr(colours, truth) + 4

    def test_channels_of_a_series_share_their_maps(self, random):
        image = random.normal(100, 20, (2, 20, 24, 3))
        maps = {"width": random.uniform(0.5, 3, (2, 20, 24))}
        restored = restore(image, GAUSSIAN, PKN(kernel="isotropic"), axes="TYXC", parameter_maps=maps)
        for at in range(2):
            alone = restore(
                image[at],
                GAUSSIAN,
                PKN(kernel="isotropic"),
                axes="YXC",
                parameter_maps={"width": maps["width"][at]},
            )
            assert np.array_equal(restored.image[at], alone.image)

    def test_separate_channels_have_their_own_maps(self, random):
        image = random.normal(100, 20, (20, 24, 3))
        alone = restore(image, GAUSSIAN, STRUCTURE, axes="YXC", channels="separate", return_maps=True)
        assert alone.parameter_maps["width"].values.shape == (20, 24, 3)
        one = restore(image[..., 1], GAUSSIAN, STRUCTURE, return_maps=True)
        assert np.array_equal(
            alone.parameter_maps["width"].values[..., 1], one.parameter_maps["width"].values
        )
        assert np.array_equal(alone.image[..., 1], one.image)

    def test_missing_pixels_have_no_influence_and_are_filled_in(self, phantom, noisy, random):
        missing = random.random(phantom.shape) < 0.2
        for method in (STRUCTURE, replace(STRUCTURE, kernel="bilateral")):
            first, second = (
                restore(np.where(missing, hidden, noisy), GAUSSIAN, method, missing=missing)
                for hidden in (0.0, 1e5)
            )
            assert np.array_equal(first.image, second.image)
            assert psnr(first.image[missing], phantom[missing]) > psnr(phantom, phantom.mean()) + 4

    def test_a_hole_larger_than_the_filter_is_filled_and_counted(self, noisy):
        missing = np.zeros(noisy.shape)
        missing[20:34, 20:34] = 1
        with pytest.warns(UserWarning, match="16 pixels have no observed pixel within reach"):
            restored = restore(
                noisy,
                GAUSSIAN,
                PKN(kernel="isotropic"),
                missing=missing,
                parameter_maps={"width": np.full((64, 64), 4.0)},
            )
        assert np.isfinite(restored.image).all()

    def test_strength_0_leaves_the_image_unchanged(self, noisy):
        restored = restore(noisy, GAUSSIAN, replace(STRUCTURE, strength=0.0))
        np.testing.assert_allclose(restored, noisy, atol=0.01)
        stronger = restore(noisy, GAUSSIAN, replace(STRUCTURE, strength=1.3), return_maps=True)
        usual = restore(noisy, GAUSSIAN, STRUCTURE, return_maps=True)
        assert (
            stronger.parameter_maps[NOISE_GAIN].values.mean()
            < usual.parameter_maps[NOISE_GAIN].values.mean() - 0.01
        )

    def test_a_deconvolved_image_has_the_size_of_the_data(self, noisy):
        maps = given(KERNELS["reblur"], noisy.shape)
        restored = restore(noisy, TASKS["deblur"], PKN(kernel="reblur"), parameter_maps=maps)
        # The default parameters change nothing. What the blurred result then lacks is put back, smoothed.
        assert np.sqrt(np.square(restored - noisy).mean()) < 1.0

    @pytest.mark.parametrize("factor", [2, 3, 4])
    def test_an_upsampled_ramp_keeps_its_place(self, factor):
        """A slope of 1 per pixel becomes 1 / factor per fine pixel."""
        ramp = np.broadcast_to(np.arange(24.0), (24, 24))
        kernel = kernel_of("upsample", factor)
        maps = given(kernel, (24 * factor,) * 2, width=0.6, sharpness=0)
        restored = restore(
            ramp, SuperResolve(factor=factor, noise=GaussianNoise(1.0)), PKN(), parameter_maps=maps
        ).image
        fine = (np.arange(24 * factor) + 0.5) / factor - 0.5
        inner = slice(4 * factor, -4 * factor)
        np.testing.assert_allclose(restored[5, inner], fine[inner], atol=0.01)


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"width": np.ones((64, 63))}, "map width must hold numbers and have the shape"),
            ({"width": np.full((64, 64), "wide")}, "map width must hold numbers"),
            ({"a": np.full((64, 64), np.nan)}, "map a must be finite"),
            ({"contrast": np.ones((64, 64))}, "needs all of its maps, width, a, b"),
        ],
    )
    def test_maps_that_do_not_fit(self, changes, message, noisy):
        maps = {**given(KERNELS["anisotropic"], noisy.shape), **changes}
        with pytest.raises(ValueError, match=message):
            restore(noisy, GAUSSIAN, PKN(), parameter_maps=maps)

    def test_a_missing_map(self, noisy):
        maps = given(KERNELS["anisotropic"], noisy.shape)
        del maps["b"]
        with pytest.raises(
            ValueError, match="needs all of its maps, width, a, b, and no others; got width, a"
        ):
            restore(noisy, GAUSSIAN, PKN(), parameter_maps=maps)

    def test_maps_with_the_shape_of_the_data_for_a_finer_result(self, noisy):
        with pytest.raises(ValueError, match=r"shape \(128, 128\)"):
            restore(noisy, SuperResolve(), PKN(), parameter_maps=given(kernel_of("upsample"), noisy.shape))

    def test_values_beyond_the_limits_are_clipped_and_counted(self, noisy):
        wide, limit = (given(KERNELS["isotropic"], noisy.shape, width=width) for width in (1.0, 4.0))
        wide["width"][:3] = 50.0
        limit["width"][3:] = 1.0
        with pytest.warns(UserWarning, match="192 values of the map width lay beyond"):
            clamped = restore(noisy, GAUSSIAN, PKN(kernel="isotropic"), parameter_maps=wide)
        same = restore(noisy, GAUSSIAN, PKN(kernel="isotropic"), parameter_maps=limit)
        assert np.array_equal(clamped.image, same.image)

    def test_another_method_takes_no_maps(self, noisy):
        with pytest.raises(ValueError, match="DIP has no parameters that maps could replace"):
            restore(noisy, GAUSSIAN, DIP(), parameter_maps={"width": noisy})

    @pytest.mark.parametrize(
        ("task", "kernel", "message"),
        [
            (
                GAUSSIAN,
                "reblur",
                "The kernel reblur doesn't suit this task: choose isotropic or anisotropic or",
            ),
            (
                TASKS["deblur"],
                "nlm",
                "The kernel nlm doesn't suit this task: choose reblur or anisotropic-reblur",
            ),
            (TASKS["refine"], "isotropic", "choose upsample"),
            (SuperResolve(factor=5), "auto", "factor of 2, 3 or 4"),
            (
                SuperResolve(psf=GaussianPSF(1.5)),
                "auto",
                "can't deconvolve and super-resolve at the same time",
            ),
            (Denoise(LaplaceNoise(5.0)), "auto", "leaves outliers in"),
        ],
    )
    def test_a_kernel_that_does_not_fit_the_task(self, task, kernel, message, noisy):
        with pytest.raises(ValueError, match=message):
            solve(noisy, task, PKN(kernel=kernel))

    @pytest.mark.parametrize("kernel", ["anisotropic", "reblur", "upsample"])
    def test_a_guide_for_a_kernel_that_takes_none(self, kernel, noisy):
        task = TASKS[KERNELS[kernel].purpose]
        guide = np.ones([kernel_of(kernel).factor * n for n in noisy.shape])
        with pytest.raises(ValueError, match="takes no guide"):
            solve(Measurement(noisy, guide=guide), task, PKN(kernel=kernel))

    @pytest.mark.parametrize("kernel", ["nlm", "reblur"])
    def test_the_structure_tensor_for_a_kernel_that_it_can_not_predict(self, kernel, noisy):
        with pytest.raises(ValueError, match="structure tensor can't predict"):
            solve(noisy, TASKS[KERNELS[kernel].purpose], replace(STRUCTURE, kernel=kernel))

    @pytest.mark.parametrize("name", list(KERNELS))
    def test_an_image_smaller_than_the_window(self, name, random):
        """One pixel more is enough."""
        kernel = kernel_of(name)
        n = kernel.margin
        task = replace(SMALL.get(kernel.purpose, TASKS[kernel.purpose]), noise=GaussianNoise(10.0))
        with pytest.raises(ValueError, match=f"needs more than {n} pixels along each axis, got {n}"):
            solve(random.normal(size=(n, 40)), task, PKN(kernel=name))
        maps = given(kernel, (kernel.factor * (n + 1), kernel.factor * 30))
        restored = restore(random.normal(size=(n + 1, 30)), task, PKN(kernel=name), parameter_maps=maps)
        assert np.isfinite(restored.image).all()

    def test_noise_that_can_not_be_measured(self):
        blank = np.zeros((40, 40))
        blank[10:30, 10:30] = 100
        with pytest.raises(RestorationError, match=r"can't be measured.*Say how strong it is"):
            restore(blank, Denoise(), STRUCTURE)
        assert psnr(restore(blank, Denoise(GaussianNoise(1.0)), STRUCTURE), blank) > 30

    def test_a_missing_file_of_weights(self, noisy, tmp_path):
        with pytest.raises(ValueError, match="no such file"):
            restore(noisy, GAUSSIAN, PKN(weights=str(tmp_path / "none.safetensors")))

    def test_an_ordinary_run_gives_no_warning(self, noisy):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            restore(noisy, Denoise(), STRUCTURE, return_maps=True)


def test_a_series_can_be_stopped_after_a_frame(random):
    """The finished frames are kept."""
    asked, series = Event(), random.normal(100, 20, (4, 40, 40))
    result = restore(
        series,
        Denoise(GaussianNoise(20.0)),
        STRUCTURE,
        axes="TYX",
        stopping_rule=StopRequested(asked),
        callback=lambda iterate: asked.set(),
    )
    assert result.outcome is Outcome.STOPPED
    assert [frame.index for frame in result.frames] == [(0,), (1,)]
    assert np.isfinite(result.image[:2]).all()
    assert np.isnan(result.image[2:]).all()


def test_a_large_image_can_be_stopped_between_its_tiles(random, monkeypatch):
    """The result says which share of the image was filtered."""
    monkeypatch.setattr("napari_dip.pkn.run._AT_ONCE", 0)
    monkeypatch.setattr("napari_dip.pkn.kernels.base._TILE", 40 * 10)
    asked, image = Event(), random.normal(100, 20, (40, 40)).astype(np.float32)
    result = restore(
        image,
        GAUSSIAN,
        STRUCTURE,
        stopping_rule=StopRequested(asked),
        callback=lambda iterate: iterate.note.startswith("Filtering: 50%") and asked.set(),
    )
    (report,) = result.frames
    assert report.outcome is Outcome.STOPPED
    assert report.note.startswith("Only 75% of the image was filtered")
    assert np.isclose(result.image, image, rtol=0, atol=1e-4).mean() == pytest.approx(0.25, abs=0.01)


def test_maps_of_signed_parameters_have_a_neutral_value(random):
    noisy = random.normal(100, 20, (40, 40))
    maps = restore(noisy, GAUSSIAN, PKN(predictor="constant"), return_maps=True).parameter_maps
    assert {name: one.neutral for name, one in maps.items()} == {
        "width": None,
        "a": 0,
        "b": 0,
        NOISE_GAIN: None,
    }
    task = Deconvolve(GAUSSIAN.noise, psf=GaussianPSF(2.0))
    sharper = restore(
        noisy, task, PKN(kernel="reblur", predictor="constant"), return_maps=True
    ).parameter_maps
    assert sharper["fine"].neutral == 1

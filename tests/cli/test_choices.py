"""Options become settings."""

from pathlib import Path

import pytest

from napari_dip import (
    DIP,
    PKN,
    PRESETS,
    AiryPSF,
    FineTune,
    GaussianPSF,
    MeasuredPSF,
    MoffatPSF,
    NonLocalBayes,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
    Wiener,
)
from napari_dip.cli.choices import check_common, chosen_method, noise_model, point_spread_function
from napari_dip.cli.options import Common, MethodOptions, NoiseOptions, PSFOptions


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        (None, {}, UnknownNoise()),
        (None, {"gain": 2.0}, PoissonNoise(2.0)),
        (None, {"gain": 2.0, "read_noise": 3.0}, PoissonGaussianNoise(2.0, 0.0, 3.0)),
        ("poisson-gaussian", {"offset": 9.0}, PoissonGaussianNoise(1.0, 9.0, 1.0)),
    ],
)
def test_the_kind_of_noise_follows_from_its_parameters(name, given, expected):
    assert noise_model(name, NoiseOptions(**given)) == expected


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("poisson", {"gain": -1.0}, "PoissonNoise.gain must be > 0"),
        (
            "poisson",
            {"sigma": 3.0},
            "--noise poisson takes no --sigma, only --noise gaussian or laplace does",
        ),
        ("gaussian", {}, "--noise gaussian needs --sigma"),
        (None, {"sigma": 3.0, "gain": 2.0}, "no kind of noise takes --gain, --sigma together"),
    ],
)
def test_parameters_of_other_noise_are_refused(name, given, message):
    with pytest.raises(ValueError, match=message):
        noise_model(name, NoiseOptions(**given))


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (None, {"psf_fwhm": 2.5}, GaussianPSF(2.5)),
        ("airy", {"psf_fwhm": 2.5, "psf_axial_fwhm": 6.0}, AiryPSF(2.5, 6.0)),
        ("moffat", {"psf_fwhm": 2.5, "psf_beta": 4.0}, MoffatPSF(2.5, None, 4.0)),
    ],
)
def test_a_formula_follows_from_its_kind_and_parameters(kind, given, expected):
    assert point_spread_function(None, kind, PSFOptions(**given)) == expected


def test_a_file_holds_a_measured_point_spread_function():
    assert point_spread_function(Path("bead.tif"), None, None) == MeasuredPSF()
    given = PSFOptions(psf_background="subtract")
    assert point_spread_function(Path("bead.tif"), None, given) == MeasuredPSF(background="subtract")


@pytest.mark.parametrize(
    ("path", "kind", "given", "estimate", "message"),
    [
        (None, None, {}, False, "--psf-fwhm PIXELS, its full width at half maximum, by --psf FILE"),
        (None, None, {"psf_fwhm": 3.0, "psf_beta": 2.0}, False, "only --psf-kind moffat does"),
        (Path("a.tif"), None, {"psf_fwhm": 3.0}, False, "--psf and --psf-fwhm exclude each other"),
        (None, None, {"psf_background": "keep"}, False, "--psf-background needs --psf FILE"),
        (
            None,
            "airy",
            {"psf_fwhm": 3.0, "psf_background": "keep"},
            False,
            "--psf-background needs --psf FILE",
        ),
        (Path("a.tif"), "airy", {}, False, "--psf and --psf-kind exclude each other"),
        (None, None, {"psf_fwhm": 3.0}, True, "leave out all other --psf options"),
    ],
)
def test_one_description_of_the_blur_is_needed(path, kind, given, estimate, message):
    with pytest.raises(ValueError, match=message):
        point_spread_function(path, kind, PSFOptions(**given), estimate=estimate)


def test_options_win_over_a_preset():
    method = chosen_method(Common(preset="hole"), MethodOptions(iterations=7))
    assert (method.iterations, method.network) == (7, PRESETS["hole"].network)
    assert chosen_method(Common(), None) == DIP()


def test_methods_share_an_option():
    for name, cls in (("pkn", PKN), ("nonlocal-bayes", NonLocalBayes)):
        assert chosen_method(Common(method=name), MethodOptions(strength=0.5)) == cls(strength=0.5)


@pytest.mark.parametrize(
    ("common", "given", "message"),
    [
        (Common(), {"balance": 2.0}, "--method dip takes no --balance, only --method wiener does"),
        (
            Common(method="wiener"),
            {"iterations": 2},
            "--method wiener takes no --iterations, only --method dip or finetune or richardson-lucy does",
        ),
        (
            Common(method="wiener", preset="hole"),
            {},
            "--preset holds settings of Deep Image Prior, not of --method wiener",
        ),
    ],
)
def test_settings_of_other_methods_are_refused(common, given, message):
    with pytest.raises(ValueError, match=message):
        chosen_method(common, MethodOptions(**given))


@pytest.mark.parametrize(
    ("common", "method", "message"),
    [
        (Common(save_maps=Path("m.tif")), DIP(), "--save-maps needs --method pkn: Deep Image Prior has no"),
        (Common(parameter_maps=Path("m.tif")), Wiener(), "--parameter-maps needs --method pkn"),
        (Common(save_weights=Path("w.safetensors")), PKN(), "--save-weights needs --method finetune"),
    ],
)
def test_files_of_other_methods_are_refused(common, method, message):
    with pytest.raises(ValueError, match=message):
        check_common(common, method)


def test_files_of_a_method_are_taken():
    check_common(Common(save_maps=Path("m.tif"), parameter_maps=Path("n.tif")), PKN())
    check_common(Common(save_weights=Path("w.safetensors")), FineTune())

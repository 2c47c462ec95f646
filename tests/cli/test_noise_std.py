"""Files with the standard deviation of each pixel reach the run as its argument noise_std."""

import numpy as np
import pytest

from napari_dip import Denoise, restore
from napari_dip.io import provenance, read

from .running import FAST, METHOD, run


@pytest.fixture
def sky(random):
    return random.normal(1000, 20, (20, 24)).astype(np.float32)


@pytest.fixture
def sigma(random):
    return random.uniform(5, 40, (20, 24)).astype(np.float32)


def restored(sky, sigma, **options):
    return restore(sky, Denoise(), METHOD, noise_std=sigma, **options).image


def test_a_file_of_standard_deviations_is_cut_with_the_image(tmp_path, sky, sigma):
    np.save(tmp_path / "a.npy", sky)
    np.save(tmp_path / "sigma.npy", sigma)
    arguments = ("--noise-std", tmp_path / "sigma.npy", "--roi", "2:18,4:20", "--quiet", *FAST)
    assert run("denoise", tmp_path / "a.npy", tmp_path / "out.tif", *arguments) == 0
    part = np.s_[2:18, 4:20]
    np.testing.assert_array_equal(read(tmp_path / "out.tif").data, restored(sky[part], sigma[part]))
    source = provenance(tmp_path / "out.tif")["source"]
    assert source["noise_std"] == {"layer": "sigma", "path": str(tmp_path / "sigma.npy")}


@pytest.mark.parametrize("name", ["ERR", "VAR", "IVAR"])
def test_an_extension_of_the_image_is_converted_and_said(tmp_path, sky, sigma, name, capsys):
    fits = pytest.importorskip("astropy.io.fits")
    plane = {"ERR": sigma, "VAR": sigma.astype(float) ** 2, "IVAR": sigma.astype(float) ** -2}[name]
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(sky, name="SCI"), fits.ImageHDU(plane, name=name)]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    assert run("denoise", tmp_path / "a.fits", tmp_path / "out.npy", *FAST) == 0
    assert f'--noise-std "{tmp_path / "a.fits"}[{name}]"' in capsys.readouterr().err
    for at, source in enumerate((tmp_path / "a.fits", tmp_path / f"a.fits[{name}]")):
        out = tmp_path / f"out{at}.npy"
        assert run("denoise", tmp_path / "a.fits", out, "--noise-std", source, *FAST) == 0
        assert f"HDU 2 ({name}) is read as the " in capsys.readouterr().err
        np.testing.assert_allclose(np.load(out), restored(sky, sigma), atol=0.1)


def test_pixels_without_a_standard_deviation_are_missing(tmp_path, sky, sigma, capsys):
    np.save(tmp_path / "a.npy", sky)
    bad = np.zeros(sky.shape, bool)
    bad[3, 4:8] = True
    spoilt = sigma.copy()
    spoilt[3, 4:8] = (0, -1, np.nan, np.inf)
    np.save(tmp_path / "sigma.npy", spoilt)
    arguments = ("--noise-std", tmp_path / "sigma.npy", *FAST)
    assert run("denoise", tmp_path / "a.npy", tmp_path / "out.npy", *arguments) == 0
    assert "4 pixels have no positive, finite value and count as missing" in capsys.readouterr().err
    expected = restored(sky, np.where(bad, np.median(sigma[~bad]), sigma), missing=bad)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)

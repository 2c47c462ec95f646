import warnings

import numpy as np
import pytest

from napari_dip.errors import FileError
from napari_dip.io import provenance, read

from .saving import PROVENANCE, save

fits = pytest.importorskip("astropy.io.fits")


def test_fits_files_keep_their_header_and_extensions_and_get_history(tmp_path, random):
    data = random.integers(0, 60_000, (6, 7)).astype(np.uint16)  # stored with BZERO
    header = fits.Header({"OBJECT": "M13", "EXPTIME": 30.0, "CRVAL1": 250.4})
    table = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=[1.0, 2.0])])
    fits.HDUList([fits.PrimaryHDU(data, header), table]).writeto(tmp_path / "in.fits")

    source = read(tmp_path / "in.fits")
    np.testing.assert_array_equal(source.data, data)
    save(tmp_path / "out.fits", data.astype(np.float32) + 0.5, source)
    with fits.open(tmp_path / "out.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, data + 0.5)
        assert (hdus[0].header["OBJECT"], hdus[0].header["CRVAL1"]) == ("M13", 250.4)
        assert "BZERO" not in hdus[0].header
        assert hdus[0].header["HISTORY"][0].startswith("Restored by napari-dip")
    assert provenance(tmp_path / "out.fits") == PROVENANCE
    with fits.open(tmp_path / "out.fits") as hdus:
        assert list(hdus[1].data["flux"]) == [1, 2]


def test_nan_in_an_extension_of_a_fits_file_is_read(tmp_path):
    data = np.array([[1.5, np.nan], [2.0, 3.0]], ">f4")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")]).writeto(tmp_path / "in.fits")
    source = read(tmp_path / "in.fits")
    np.testing.assert_array_equal(source.data, data)
    save(tmp_path / "out.fits", np.zeros((2, 2), np.float32), source)
    with fits.open(tmp_path / "out.fits") as hdus:
        assert hdus["SCI"].data.max() == 0


def test_a_fits_file_can_be_made_from_another_format(tmp_path):
    save(tmp_path / "out.fits", np.ones((3, 4), np.float32))
    assert read(tmp_path / "out.fits").data.shape == (3, 4)


def test_a_fits_file_without_an_image_is_refused(tmp_path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "in.fits")
    with pytest.raises(FileError, match="contains no image"):
        read(tmp_path / "in.fits")


def test_scaled_extensions_and_checksums_of_fits_files_stay_valid(tmp_path, random):
    scaled = fits.ImageHDU(np.arange(6.0).reshape(2, 3) / 2)
    scaled.scale("int16", bscale=0.5)
    data = random.random((4, 5)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(data), scaled]).writeto(tmp_path / "in.fits", checksum=True)
    save(tmp_path / "out.fits", data, read(tmp_path / "in.fits"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(tmp_path / "out.fits", checksum=True, do_not_scale_image_data=True) as hdus:
            assert hdus[1].data.dtype.kind == "i"
            assert hdus[1].header["BSCALE"] == 0.5


HEADERS = {
    "steps": {"CDELT1": -0.01, "CDELT2": 0.02},
    "no steps": {},
    "turned": {"CDELT1": -0.01, "CDELT2": 0.02, "CROTA2": 30.0},
    "matrix": {"CD1_1": -0.01, "CD1_2": 0.003, "CD2_1": 0.004, "CD2_2": 0.02},
    "steps and matrix": {"CDELT1": -0.01, "CDELT2": 0.02, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6},
    "distorted": {
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "CD1_1": -0.01,
        "CD2_2": 0.02,
        "A_ORDER": 2,
        "A_2_0": 1e-3,
        "A_0_1": 2e-2,
        "B_ORDER": 2,
        "B_1_1": -3e-3,
    },
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (3, 3)])
def test_world_coordinates_follow_a_crop_and_finer_pixels(tmp_path, header, factors):
    from astropy.wcs import WCS

    place = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 250.4, "CRVAL2": 36.5}
    cards = fits.Header({**place, "CRPIX1": 3.0, "CRPIX2": 4.5, **header})
    fits.PrimaryHDU(np.zeros((8, 9), np.float32), cards).writeto(tmp_path / "in.fits")
    source = read(tmp_path / "in.fits").part(((2, 8), (1, 8))).refined("YX", factors)
    save(tmp_path / "out.fits", np.zeros(source.data.shape, np.float32), source)
    x, y = np.meshgrid(np.linspace(0, 5, 4), np.linspace(0, 4, 3))  # in pixels of the part
    old = WCS(cards).all_pix2world(x + 1, y + 2, 0)
    finer = ((x + 0.5) * factors[1] - 0.5, (y + 0.5) * factors[0] - 0.5)
    new = WCS(fits.getheader(tmp_path / "out.fits")).all_pix2world(*finer, 0)
    np.testing.assert_allclose(new, old, rtol=1e-9)


def test_every_world_coordinate_system_follows_one_finer_axis(tmp_path):
    cards = fits.Header({"CRPIX1": 3.0, "CDELT1": 2.0, "CRPIX3": 1.0, "CDELT3": 5.0, "CRPIX3A": 4.0})
    cards.update({"PC1_3": 0.5, "PC3_1": 0.25})
    fits.PrimaryHDU(np.zeros((4, 8, 9), np.float32), cards).writeto(tmp_path / "in.fits")
    source = read(tmp_path / "in.fits").refined("ZYX", (2, 1, 1))
    save(tmp_path / "out.fits", np.zeros(source.data.shape, np.float32), source, "ZYX")
    new = fits.getheader(tmp_path / "out.fits")
    assert [new[name] for name in ("CRPIX1", "CDELT1", "PC1_3", "PC3_1")] == [3.0, 2.0, 0.25, 0.5]
    assert [new[name] for name in ("CRPIX3", "CDELT3", "CRPIX3A", "CDELT3A")] == [1.5, 2.5, 7.5, 0.5]


def test_provenance_survives_later_history_in_a_fits_file(tmp_path):
    save(tmp_path / "a.fits", np.ones((6, 7), np.float32))
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        hdus[0].header.add_history("photometry by another program")
    assert provenance(tmp_path / "a.fits") == PROVENANCE

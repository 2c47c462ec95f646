"""Which HDU is the image, what is said of the others, and how BLANK and compression are read."""

import gzip
import warnings

import numpy as np
import pytest

from napari_dip.errors import FileError
from napari_dip.io import ImageFile, read, read_flagged, read_mask, read_noise_std, stem_of, suffix_of, write

from .saving import PROVENANCE, save

fits = pytest.importorskip("astropy.io.fits")

SHAPE = (6, 7)


def hdu(value, name="", shape=SHAPE, dtype=np.float32, **cards):
    made = fits.ImageHDU(np.full(shape, value, dtype), name=name or None)
    made.header.update(cards)
    return made


def written(path, *hdus, primary=None):
    fits.HDUList([fits.PrimaryHDU(primary), *hdus]).writeto(path, overwrite=True)
    return path


#: HDUs after an empty primary one, by their names, and which of them is the image.
FILES = {
    "HST": (["SCI", "ERR", "DQ", "SCI", "ERR", "DQ"], 1),
    "JWST": (["SCI", "ERR", "DQ", "AREA", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"], 1),
    "drizzled": (["WHT", "CTX", "SCI"], 3),
    "MUSE": (["STAT", "DATA"], 2),
    "mask first": (["MASK", "BPM", "DQ", "QUALITY", "image"], 5),
    "weights first": (["IVAR", "INVVAR", "WEIGHT", "VARIANCE", "SIGMA", "RMS", "FLUX"], 7),
    "numbered": (["DQ1", "ERR_1", "CCD1", "CCD2"], 3),
    "segmentation": (["SEGMENTATION", "BKG", "PSF", "GALAXY"], 4),
    "SCI behind others": (["RAW", "SCI"], 2),
    "nothing else": (["DQ", "ERR"], 1),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_image_is_neither_a_mask_nor_a_weight_nor_an_uncertainty(tmp_path, kind):
    names, image = FILES[kind]
    counts = dict.fromkeys(names, 0)
    hdus = []
    for at, name in enumerate(names, 1):
        counts[name] += 1
        hdus.append(hdu(at, name, EXTVER=counts[name]))
    found = read(written(tmp_path / "a.fits", *hdus))
    assert found.data[0, 0] == image
    assert f"HDU {image} (" in found.notes[0]
    assert "left out: " in found.notes[0]
    for at, name in enumerate(names, 1):
        if at != image:
            assert f"{at} ({name}" in found.notes[0]


def test_an_image_in_the_primary_hdu_comes_first_unless_there_is_one_named_sci(tmp_path):
    primary = np.zeros(SHAPE, np.float32)
    assert read(written(tmp_path / "a.fits", hdu(1, "other"), primary=primary)).data[0, 0] == 0
    assert read(written(tmp_path / "a.fits", hdu(1, "SCI"), primary=primary)).data[0, 0] == 1
    assert read(written(tmp_path / "b.fits", primary=primary)).notes == ()


def test_classes_of_hdus_count_where_their_names_say_nothing(tmp_path):
    hdus = hdu(1, HDUCLAS2="ERROR"), hdu(2, HDUCLAS2="QUALITY"), hdu(3, HDUCLAS2="DATA")
    assert read(written(tmp_path / "a.fits", *hdus)).data[0, 0] == 3


def test_spectra_and_tables_are_no_images(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=[1.0, 2.0])])
    path = written(tmp_path / "a.fits", hdu(1, "SPECTRUM", shape=(9,)), table, hdu(3, "X"))
    assert read(path).data[0, 0] == 3
    written(path, hdu(1, "SPECTRUM", shape=(9,)), table)
    with pytest.raises(FileError, match=r"can't read .*a\.fits: it contains no image with two or more axes"):
        read(path)


@pytest.mark.parametrize(
    ("wanted", "value"),
    [("ERR", 2), ("err", 2), ("2", 2), ("SCI,2", 4), ("sci , 2", 4), ("SCI", 1), ("4", 4)],
)
def test_an_hdu_can_be_chosen_by_its_name_version_or_number(tmp_path, wanted, value):
    hdus = hdu(1, "SCI", EXTVER=1), hdu(2, "ERR"), hdu(3, "DQ"), hdu(4, "SCI", EXTVER=2)
    path = written(tmp_path / "a.fits", *hdus)
    assert read(path, wanted).data[0, 0] == value
    assert read(tmp_path / f"a.fits[{wanted}]").data[0, 0] == value


@pytest.mark.parametrize("wanted", ["SIC", "7", "-1", "SCI,5", ""])
def test_an_hdu_that_is_not_there_is_refused_with_those_that_are(tmp_path, wanted):
    path = written(tmp_path / "a.fits", hdu(1, "SCI"), hdu(2, "ERR"))
    with pytest.raises(FileError, match=r"its images are 1 \(SCI\), 2 \(ERR\)"):
        read(path, wanted)


def test_an_hdu_without_an_image_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"its HDU 0 \(PRIMARY\) is not an image"):
        read(written(tmp_path / "a.fits", hdu(1, "SCI")), "0")


def test_hdus_are_for_fits_files(tmp_path):
    np.save(tmp_path / "a.npy", np.ones(SHAPE))
    with pytest.raises(FileError, match=r"choosing an HDU needs a FITS file, got .*a\.npy"):
        read(tmp_path / "a.npy", "1")


def test_a_file_whose_name_has_brackets_is_read_as_it_is(tmp_path):
    np.save(tmp_path / "a[1].npy", np.ones(SHAPE))
    assert read(tmp_path / "a[1].npy").data.shape == SHAPE


def test_the_other_hdus_are_written_unchanged(tmp_path):
    path = written(tmp_path / "a.fits", hdu(1, "SCI"), hdu(2, "ERR"), hdu(3, "DQ", dtype=np.uint16))
    save(tmp_path / "b.fits", np.full(SHAPE, 9, np.float32), read(path))
    with fits.open(tmp_path / "b.fits") as hdus:
        assert [one.data.max() for one in hdus[1:]] == [9, 2, 3]
        assert hdus[3].data.dtype == np.uint16


@pytest.mark.parametrize("stored", ["int16", "uint16", "int32", "uint32", "uint8", "int8", "scaled"])
@pytest.mark.parametrize("compressed", [False, True])
def test_blank_pixels_are_missing_in_every_kind_of_integers(tmp_path, stored, compressed):
    data = np.arange(10, 52).reshape(SHAPE).astype("int16" if stored == "scaled" else stored)
    image = fits.CompImageHDU(data) if compressed else fits.ImageHDU(data)
    if stored == "scaled":
        image.header["BSCALE"] = 0.5
    zero = {"uint16": 2**15, "uint32": 2**31, "int8": -128}.get(stored, 0)
    image.header["BLANK"] = 20 - zero
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written(tmp_path / "a.fits", image)
    found = read(tmp_path / "a.fits")
    assert np.argwhere(found.missing).tolist() == [[1, 3]]
    expected = data * (0.5 if stored == "scaled" else 1)
    np.testing.assert_array_equal(np.ma.getdata(found.data)[~found.missing], expected[~found.missing])
    if stored != "scaled":
        assert found.data.dtype == data.dtype
    assert np.isnan(found.with_nan[1, 3])


def test_a_blank_card_of_floats_does_no_harm(tmp_path):
    image = hdu(1.0, "SCI")
    image.header["BLANK"] = 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits", output_verify="ignore")
    assert read(tmp_path / "a.fits").missing is None


def test_the_output_has_no_blank_pixels(tmp_path):
    data = np.arange(42, dtype=np.int16).reshape(SHAPE)
    image = fits.PrimaryHDU(data)
    image.header["BLANK"] = 3
    image.writeto(tmp_path / "a.fits")
    source = read(tmp_path / "a.fits")
    save(tmp_path / "b.fits", data.astype(np.float32), source, keep_dtype=True)
    assert read(tmp_path / "b.fits").missing is None
    assert read(tmp_path / "b.fits").data.dtype == np.int16


@pytest.mark.parametrize("ending", [".fits.gz", ".fit.gz", ".fts.gz", ".fits.fz", ".FITS.GZ"])
def test_compressed_files_are_read(tmp_path, ending, random):
    data = random.integers(0, 60_000, (40, 50)).astype(np.uint16)
    path = tmp_path / f"a{ending}"
    if ending.lower().endswith("fz"):
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, name="SCI")]).writeto(path)
    else:
        fits.PrimaryHDU(data).writeto(tmp_path / "plain.fits")
        path.write_bytes(gzip.compress((tmp_path / "plain.fits").read_bytes()))
    image = read(path)
    np.testing.assert_array_equal(image.data, data)
    assert (suffix_of(path), stem_of(path)) == (ending.lower(), "a")
    save(tmp_path / "b.fits", data.astype(np.float32), image)
    np.testing.assert_array_equal(read(tmp_path / "b.fits").data, data)


def test_a_compressed_file_is_written(tmp_path):
    data = np.arange(42, dtype=np.float32).reshape(SHAPE)
    for name in ("a.fits.gz", "again.fits.gz"):
        save(tmp_path / name, data, ImageFile(data))
    stored = (tmp_path / "a.fits.gz").read_bytes()
    assert stored[:2] == b"\x1f\x8b"
    assert stored == (tmp_path / "again.fits.gz").read_bytes()
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits.gz"), data)
    from napari_dip.io import provenance

    assert provenance(tmp_path / "a.fits.gz") == PROVENANCE


def test_a_compressed_file_that_was_cut_off_is_refused(tmp_path):
    save(tmp_path / "a.fits.gz", np.ones((60, 60), np.float32))
    stored = (tmp_path / "a.fits.gz").read_bytes()
    for kept in (20, len(stored) // 2, len(stored) - 6):
        (tmp_path / "a.fits.gz").write_bytes(stored[:kept])
        with pytest.raises(FileError, match=r"can't read .*a\.fits\.gz"):
            read(tmp_path / "a.fits.gz")


def test_planes_of_red_green_and_blue_are_channels(tmp_path, random):
    data = random.random((3, 20, 24)).astype(np.float32)
    fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    image = read(tmp_path / "a.fits")
    assert image.axes == "CYX"
    assert "--axes TYX" in image.notes[0]
    for kind, axes in (("RGB", "CYX"), ("FREQ", None), ("VELO-LSR", None), ("TIME", "TYX")):
        fits.PrimaryHDU(data, fits.Header({"CTYPE3": kind})).writeto(tmp_path / "a.fits", overwrite=True)
        assert read(tmp_path / "a.fits").axes == axes
    fits.PrimaryHDU(random.random((5, 20, 24))).writeto(tmp_path / "a.fits", overwrite=True)
    assert (read(tmp_path / "a.fits").axes, read(tmp_path / "a.fits").notes) == (None, ())


@pytest.mark.parametrize(
    ("card", "value", "mosaic"),
    [
        ("BAYERPAT", "RGGB", True),
        ("BAYERPAT", "gbrg  ", True),
        ("COLORTYP", "BGGR", True),
        ("XBAYROFF", 0, True),
        ("BAYERPAT", "NONE", False),
        ("COLORTYP", "MONO", False),
        ("COLORTYP", "GREY", False),
        ("FILTER", "RGGB", False),
    ],
)
def test_headers_of_mosaics_are_understood(tmp_path, card, value, mosaic):
    fits.PrimaryHDU(np.ones(SHAPE), fits.Header({card: value})).writeto(tmp_path / "a.fits")
    assert bool(read(tmp_path / "a.fits").mosaic) == mosaic
    colour = fits.PrimaryHDU(np.ones((3, *SHAPE)), fits.Header({card: value}))
    colour.writeto(tmp_path / "a.fits", overwrite=True)
    assert read(tmp_path / "a.fits").mosaic == ""


def test_flags_are_those_of_the_image_and_of_the_bits_that_are_asked_for(tmp_path):
    first, second = np.zeros(SHAPE, np.int32), np.zeros(SHAPE, np.uint16)
    first[0, 0], first[1, 1], first[2, 2] = 1, 4, 4 + 1024
    second[3, 3] = 2**15
    hdus = [hdu(1, "SCI", EXTVER=1), fits.ImageHDU(first, name="DQ", ver=1)]
    hdus += [hdu(2, "SCI", EXTVER=2), fits.ImageHDU(second, name="DQ", ver=2)]
    path = written(tmp_path / "a.fits", *hdus)
    assert np.argwhere(read_flagged(path, None, 4)).tolist() == [[1, 1], [2, 2]]
    assert np.argwhere(read_flagged(path, None, 1 | 1024)).tolist() == [[0, 0], [2, 2]]
    assert np.argwhere(read_flagged(path, "SCI,2", 2**15)).tolist() == [[3, 3]]
    note = " ".join(read(path).notes)
    assert "HDU 2 (DQ,1) marks 3 pixels" in note
    assert "--dq-bits with the flags that make a pixel useless (the plane has 1, 4, 1024)" in note


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
def test_the_sign_of_a_flag_is_one_flag(tmp_path, dtype):
    planes = [hdu(1, "SCI"), hdu(np.iinfo(dtype).min, "DQ", dtype=dtype)]
    path = written(tmp_path / "a.fits", *planes)
    highest = 8 * np.dtype(dtype).itemsize - 1
    assert f"(the plane has {1 << highest})" in " ".join(read(path).notes)
    if highest < 63:
        assert read_flagged(path, None, 1 << highest).all()
    for other in {highest - 1, min(highest + 1, 62)}:
        assert not read_flagged(path, None, 1 << other).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled_floats_are_what_their_header_says(tmp_path, dtype):
    path = written(tmp_path / "a.fits", hdu(3, dtype=dtype, BSCALE=2.0, BZERO=5.0))
    image = read(path)
    assert image.data.dtype == dtype
    assert (image.data == 2 * 3 + 5).all()
    save(tmp_path / "b.fits", image.data, image, "YX")
    np.testing.assert_array_equal(read(tmp_path / "b.fits").data, image.data)


@pytest.mark.parametrize("value", ["much", 0.0])
def test_a_scale_that_is_none_is_refused_in_words(tmp_path, value):
    path = written(tmp_path / "a.fits", hdu(3, dtype=np.int16, BSCALE=value))
    with pytest.raises(FileError, match="its BSCALE must be a finite number"):
        read(path)


@pytest.mark.parametrize("value", [3.5, "none"])
def test_a_blank_value_that_no_integer_has_marks_nothing_and_says_nothing(tmp_path, value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = written(tmp_path / "a.fits", hdu(3, dtype=np.int16, BLANK=value))
    assert read(path).missing is None  # and no warning


def test_masks_are_offered_as_masks(tmp_path):
    mask = np.zeros(SHAPE, np.uint8)
    assert len(read(written(tmp_path / "a.fits", hdu(1, "SCI"), fits.ImageHDU(mask, name="MASK"))).notes) == 1
    mask[2, 3] = 1
    path = written(tmp_path / "a.fits", hdu(1, "SCI"), fits.ImageHDU(mask, name="MASK"))
    assert f'give --missing "{path}[MASK]"' in " ".join(read(path).notes)
    for address in (path, tmp_path / "a.fits[MASK]", tmp_path / "a.fits[2]"):
        assert np.argwhere(read_mask(address)).tolist() == [[2, 3]]


def test_flags_that_are_absent_or_no_integers_are_refused(tmp_path):
    path = written(tmp_path / "a.fits", hdu(1, "SCI"), hdu(1, "DQ", shape=(3, 3), dtype=np.int16))
    with pytest.raises(FileError, match=r"--dq-bits needs a data-quality plane .* HDU 1 \(SCI\) has none"):
        read_flagged(path, None, 1)
    written(path, hdu(1, "SCI"), hdu(1, "DQ"))
    with pytest.raises(FileError, match="must hold integers for --dq-bits, got float32"):
        read_flagged(path, None, 1)
    np.save(tmp_path / "a.npy", np.ones(SHAPE))
    with pytest.raises(FileError, match="--dq-bits needs a FITS file"):
        read_flagged(tmp_path / "a.npy", None, 1)


@pytest.mark.parametrize(
    ("name", "cards", "value", "sigma"),
    [
        ("ERR", {}, 4.0, 4.0),
        ("SIGMA", {}, 4.0, 4.0),
        ("VAR", {}, 16.0, 4.0),
        ("STAT", {}, 16.0, 4.0),
        ("IVAR", {}, 0.0625, 4.0),
        ("WHT", {}, 0.0625, 4.0),
        ("UNCERT", {}, 4.0, 4.0),
        ("UNCERT", {"UTYPE": "StdDevUncertainty"}, 4.0, 4.0),
        ("UNCERT", {"UTYPE": "VarianceUncertainty"}, 16.0, 4.0),
        ("UNCERT", {"UTYPE": "InverseVariance"}, 0.0625, 4.0),
    ],
)
def test_uncertainties_become_standard_deviations(tmp_path, name, cards, value, sigma):
    plane = hdu(value, name, **cards)
    plane.data[0] = [0, np.nan, -1, np.inf, value, value, value]
    path = written(tmp_path / "a.fits", hdu(100, "SCI"), plane)
    found, note = read_noise_std(path)
    np.testing.assert_allclose(found[1:], sigma)
    assert np.isnan(found[0, :3]).all()
    assert (found[0, 4:] == sigma).all()
    assert f"HDU 2 ({name}) is read as the " in note
    assert f'--noise-std "{path}[{name}]"' in " ".join(read(path).notes)
    np.testing.assert_array_equal(read_noise_std(tmp_path / f"a.fits[{name}]")[0], found)


def test_ccddata_of_astropy_is_understood(tmp_path, random):
    nddata = pytest.importorskip("astropy.nddata")
    sky, variance = random.random(SHAPE), random.random(SHAPE) + 1
    mask = sky > 0.8
    ccd = nddata.CCDData(sky, unit="adu", mask=mask, uncertainty=nddata.VarianceUncertainty(variance))
    ccd.write(tmp_path / "a.fits")
    np.testing.assert_array_equal(read(tmp_path / "a.fits").data, sky)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.fits"), mask)
    np.testing.assert_allclose(read_noise_std(tmp_path / "a.fits")[0], np.sqrt(variance), rtol=1e-6)


def test_other_files_hold_standard_deviations(tmp_path):
    np.save(tmp_path / "a.npy", np.full(SHAPE, 3.0))
    found, note = read_noise_std(tmp_path / "a.npy")
    assert (found == 3).all()
    assert note == "it is read as the standard deviation of each pixel"
    np.save(tmp_path / "a.npy", np.zeros(SHAPE))
    with pytest.raises(
        FileError, match="must hold the standard deviation of each pixel, but has no positive number"
    ):
        read_noise_std(tmp_path / "a.npy")


def test_files_that_can_only_be_read_are_no_outputs(tmp_path):
    from napari_dip.io import SUFFIXES, replaceable

    assert not {".fits.fz", ".gif"} & set(SUFFIXES)
    with pytest.raises(FileError, match="the suffix must be one of"):
        replaceable(tmp_path / "a.fits.fz", overwrite=False)
    replaceable(tmp_path / "a.fits.gz", overwrite=False)
    write(tmp_path / "b.fits.gz", np.ones(SHAPE), ImageFile(np.ones(SHAPE)), axes="YX", provenance=PROVENANCE)

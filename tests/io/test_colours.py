"""Alpha channels are copied, palettes are looked up, and inverted grey scales stay inverted."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dip.errors import FileError
from napari_dip.image.axes import Axes
from napari_dip.io import ImageFile, left_out, read, read_mask, writable
from napari_dip.io.colours import Alpha, looked_up

from .saving import save


@pytest.fixture
def samples(random):
    return random.integers(0, 255, (20, 24, 5)).astype(np.uint8)


#: Samples, photometric interpretation, extra samples, and which sample is the alpha channel.
TIFFS = {
    "RGBA": (4, "rgb", ["unassalpha"], 3),
    "premultiplied": (4, "rgb", ["assocalpha"], 3),
    "grey and alpha": (2, "minisblack", ["unassalpha"], 1),
    "RGB, infrared and alpha": (5, "rgb", ["unspecified", "unassalpha"], 4),
    "alpha before infrared": (5, "rgb", ["unassalpha", "unspecified"], 3),
}


def again(path, image, name):
    """Write the pixels that were read, as they are, and read that file."""
    data = np.ma.getdata(image.data)
    axes = image.axes or Axes.guess(data.shape).letters
    save(path / name, data.astype(np.float32), image.refined(axes, (1,) * data.ndim), axes)
    return read(path / name)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", TIFFS)
def test_alpha_channels_of_tiffs_are_taken_out_and_written_back(tmp_path, samples, kind, planar):
    count, photometric, extra, at = TIFFS[kind]
    data = samples[..., :count]
    stored = np.moveaxis(data, -1, 0) if planar == "separate" else data
    options = {"photometric": photometric, "extrasamples": extra, "planarconfig": planar}
    tifffile.imwrite(tmp_path / "a.tif", np.ascontiguousarray(stored), **options)
    image = read(tmp_path / "a.tif")
    colours = np.squeeze(np.delete(data, at, -1))
    np.testing.assert_array_equal(image.data, colours)
    np.testing.assert_array_equal(image.alpha.values, data[..., at])
    restored = again(tmp_path, image, "b.tif")
    np.testing.assert_array_equal(restored.data, colours)
    np.testing.assert_array_equal(restored.alpha.values, data[..., at])
    assert image.alpha.premultiplied == restored.alpha.premultiplied == (kind == "premultiplied")


def test_alpha_channels_of_stacks_belong_to_each_plane(tmp_path, samples):
    stack = np.stack([samples[..., :4], samples[..., 1:]])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb", ome=True, metadata={"axes": "ZYXS"})
    image = read(tmp_path / "a.tif")
    assert image.axes == "ZYXS"
    np.testing.assert_array_equal(image.alpha.values, stack[..., 3])
    np.testing.assert_array_equal(again(tmp_path, image, "b.tif").alpha.values, stack[..., 3])


@pytest.mark.parametrize("extra", [None, ["unspecified"] * 3])
def test_four_measured_channels_are_no_alpha(tmp_path, samples, extra):
    tifffile.imwrite(
        tmp_path / "a.tif",
        samples[..., :4],
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=extra,
    )
    image = read(tmp_path / "a.tif")
    assert image.alpha is None
    assert image.data.shape == (20, 24, 4)
    restored = again(tmp_path, image, "b.tif")
    assert restored.alpha is None
    np.testing.assert_array_equal(restored.data, image.data)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "palette", "colour key", "grey key", "GIF"])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_transparency_of_every_kind_is_copied(tmp_path, samples, mode, ending):
    opacity = np.where(samples[..., 3] > 127, 255, 0).astype(np.uint8)
    rgb = np.broadcast_to(samples[..., :1] // 2, (20, 24, 3)).copy()
    path = tmp_path / ("a.gif" if mode == "GIF" else "a.png")
    if mode == "RGBA":
        Image.fromarray(np.dstack([samples[..., :3], opacity])).save(path)
    elif mode == "LA":
        Image.fromarray(np.dstack([samples[..., 0], opacity])).save(path)
    elif mode == "palette":
        Image.fromarray(rgb[..., 0]).convert("P").save(path, transparency=bytes([255] * 40 + [0] * 216))
        opacity = np.where(rgb[..., 0] < 40, 255, 0)
    elif mode == "GIF":
        indexed = Image.fromarray(np.where(opacity == 0, 200, rgb[..., 0]))
        indexed.convert("P").save(path, transparency=200)
    elif mode == "colour key":
        rgb[opacity == 0] = (1, 2, 3)
        Image.fromarray(rgb).save(path, transparency=(1, 2, 3))
    else:
        grey = np.where(opacity == 0, 200, rgb[..., 0])
        Image.fromarray(grey).save(path, transparency=200)
    image = read(path)
    np.testing.assert_array_equal(image.alpha.values, opacity)
    assert image.data.shape[:2] == (20, 24)
    restored = again(tmp_path, image, f"b{ending}")
    np.testing.assert_array_equal(restored.alpha.values, opacity)
    np.testing.assert_array_equal(restored.data, image.data)


def test_alpha_follows_a_region_and_finer_pixels(samples):
    alpha = Alpha(np.repeat(np.repeat(np.eye(4, dtype=np.uint8) * 200, 5, 0), 6, 1))
    image = ImageFile(samples[..., :3], "YXS", alpha=alpha)
    part = image.part(((5, 15), (6, 18), (0, 3)))
    np.testing.assert_array_equal(part.alpha.values, alpha.values[5:15, 6:18])
    finer = part.refined("YXS", (2, 2, 1)).alpha.values
    assert finer.shape == (20, 24)
    assert finer[4, 4] == 200
    assert finer[4, 20] == 0
    assert abs(finer.mean() - part.alpha.values.mean()) < 3


def test_what_a_format_can_not_hold_is_said(tmp_path, samples):
    image = ImageFile(samples[..., :3], "YXS", alpha=Alpha(samples[..., 3]))
    assert "is copied, not restored" in left_out(tmp_path / "a.tif", image)[0]
    assert "is copied, not restored" in left_out(tmp_path / "a.png", image)[0]
    for ending in (".jpg", ".npy", ".fits"):
        assert f"{ending} files have none" in left_out(tmp_path / f"a{ending}", image)[0]
    assert left_out(tmp_path / "a.jpg", ImageFile(samples[..., :3], "YXS")) == ()


def test_premultiplied_colours_do_not_go_to_a_png_file(tmp_path, samples):
    image = ImageFile(samples[..., :3], "YXS", alpha=Alpha(samples[..., 3], premultiplied=True))
    with pytest.raises(FileError, match=r"PNG files can't hold colours that were multiplied.*choose \.tif"):
        writable(tmp_path / "a.png", image, "YXS", keep_dtype=False)


@pytest.mark.parametrize(("suffix", "channels"), [(".png", 2), (".png", 4), (".jpg", 2), (".jpg", 4)])
def test_a_channel_that_is_no_opacity_does_not_become_one(tmp_path, random, suffix, channels):
    data = random.integers(0, 255, (6, 7, channels)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack", planarconfig="contig")
    image = read(tmp_path / "a.tif")
    with pytest.raises(
        FileError, match=f"{channels} channels are neither grey levels nor red, green and blue"
    ):
        writable(tmp_path / f"b{suffix}", image, image.axes, keep_dtype=True)


def test_palettes_of_tiffs_become_the_colours_that_they_stand_for(tmp_path, samples, random):
    table = random.integers(0, 65_535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples[..., 0], photometric="palette", colormap=table)
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, table.T[samples[..., 0]])
    assert image.axes == "YXS"
    assert "indices of a palette" in image.notes[0]
    stack = np.moveaxis(samples, -1, 0)
    tifffile.imwrite(
        tmp_path / "b.tif", stack, photometric="palette", colormap=table, metadata={"axes": "TYX"}
    )
    image = read(tmp_path / "b.tif")
    assert (image.axes, image.data.shape) == ("TYXS", (5, 20, 24, 3))


def test_a_palette_may_have_an_alpha_channel(tmp_path, samples, random):
    table = random.integers(0, 256, (256, 3)).astype(np.uint8)
    indexed = Image.fromarray(samples[..., 0])
    indexed.putpalette(table.tobytes())
    indexed = indexed.convert("PA")
    indexed.putalpha(Image.fromarray(samples[..., 1]))
    indexed.save(tmp_path / "a.tif")
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, table[samples[..., 0]])
    np.testing.assert_array_equal(image.alpha.values, samples[..., 1])


def test_palettes_of_8_bits_give_8_bits_and_grey_ones_give_grey_levels(samples):
    table = (np.arange(256)[::-1, None] * np.array([257, 257, 257])).astype(np.uint16)
    grey = looked_up(samples[..., 0], table)
    assert grey.dtype == np.uint8
    np.testing.assert_array_equal(grey, 255 - samples[..., 0])
    assert looked_up(samples[..., 0], np.eye(256, 3, dtype=np.uint8)).shape == (20, 24, 3)


def test_false_colours_of_imagej_are_not_taken_for_colours(tmp_path, samples):
    table = np.zeros((3, 256), np.uint16)
    table[1] = np.arange(256) * 257  # the lookup table "Green"
    described = "ImageJ=1.54f\nunit=micron\nmin=0.0\nmax=255.0\n"
    options = {"photometric": "palette", "colormap": table, "description": described, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", samples[..., 0], **options)
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, samples[..., 0])
    assert image.metadata.channels[0]["Color"] == 0x00FF00FF
    assert "in which ImageJ shows them" in image.notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_inverted_grey_scales_stay_inverted_in_tiffs(tmp_path, samples, dtype):
    data = (samples[..., 0] // 2).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, data)
    assert image.notes == ("0 is white in this file",)
    again(tmp_path, image, "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].photometric == 0
        np.testing.assert_array_equal(file.asarray(), data)
    assert read_mask(tmp_path / "a.tif").tolist() == (data != 0).tolist()


def test_inverted_grey_scales_are_turned_where_a_format_can_not_say_so(tmp_path, samples):
    tifffile.imwrite(tmp_path / "a.tif", samples[..., 0], photometric="miniswhite")
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(again(tmp_path, image, "b.png").data, 255 - samples[..., 0])
    assert "inverted, so that white stays white" in left_out(tmp_path / "b.png", image)[0]
    assert "not inverted" in left_out(tmp_path / "b.fits", image)[0]


def test_colours_that_are_neither_grey_nor_rgb_are_refused(tmp_path, samples):
    tifffile.imwrite(tmp_path / "a.tif", samples[..., :4], photometric="separated")
    with pytest.raises(
        FileError, match=r"can't read .*a\.tif: its colours are CMYK: convert the image to RGB"
    ):
        read(tmp_path / "a.tif")
    Image.fromarray(samples[..., :3]).convert("CMYK").save(tmp_path / "a.jpg")
    assert "converted from CMYK to RGB" in read(tmp_path / "a.jpg").notes[0]

"""Tags that describe an image are carried over, and each pixel keeps its place on Earth."""

import numpy as np
import pytest
import tifffile

from napari_dip.io import read

from .saving import save

SCALE = [
    (33550, "d", 3, (10.0, 20.0, 0.0), True),
    (33922, "d", 6, (3.0, 2.0, 0.0, 500_000.0, 4e6, 0.0), True),
]
MATRIX = [(34264, "d", 16, (9.0, 1.0, 0.0, 5e5, 2.0, -8.0, 0.0, 4e6, *[0.0] * 7, 1.0), True)]


def keys(point):
    return [(34735, "H", 8, (1, 1, 0, 1, 1025, 0, 1, 2 if point else 1), True)]


def on_earth(path, column, row):
    """Return where the corner or centre (column, row) of a pixel lies, by the GeoTIFF standard."""
    with tifffile.TiffFile(path) as file:
        tags = {
            tag.code: np.array(tag.value) for tag in file.pages[0].tags if tag.code in (33550, 33922, 34264)
        }
    if 34264 in tags:
        return (tags[34264].reshape(4, 4) @ [column, row, 0, 1])[:2]
    i, j, _, x, y, _ = tags[33922]
    return np.array([x + (column - i) * tags[33550][0], y - (row - j) * tags[33550][1]])


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("tags", [SCALE, MATRIX], ids=["scale", "matrix"])
@pytest.mark.parametrize("axes", ["YX", "TYX"])
def test_pixels_keep_their_places_on_earth(tmp_path, tags, point, axes):
    shape = (2, 16, 18)[-len(axes) :]
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros(shape, np.uint8),
        metadata={"axes": axes},
        extratags=[*tags, *keys(point)],
    )
    roi = ((0, 2), (5, 15), (4, 18))[-len(axes) :]
    part = read(tmp_path / "a.tif").part(roi).refined(axes, (1, 2, 3)[-len(axes) :])
    save(tmp_path / "b.tif", np.zeros(part.data.shape, np.float32), part, axes)
    centre = 0.0 if point else 0.5  # of the first pixel
    for column, row in ((0, 0), (7, 3)):
        old = on_earth(tmp_path / "a.tif", 4 + column + centre, 5 + row + centre)
        fine = (3 * (column + 0.5) - 0.5 + centre, 2 * (row + 0.5) - 0.5 + centre)
        np.testing.assert_allclose(on_earth(tmp_path / "b.tif", *fine), old, rtol=1e-12)


def test_who_made_an_image_and_how_it_is_turned_are_carried_over(tmp_path):
    tags = [
        (274, "H", 1, 6, True),
        (306, "s", 0, "2020:01:02 03:04:05", True),
        (315, "s", 0, "Käthe".encode(), True),
        (33432, "s", 0, "CC0", True),
        (65000, "s", 0, "private", True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), extratags=tags)
    for axes, name in (("YX", "b.tif"), ("PYX", "c.tif")):
        source = read(tmp_path / "a.tif").refined("YX", (1, 1))
        save(tmp_path / name, np.zeros((2, 8, 9)[-len(axes) :], np.float32), source, axes)
        with tifffile.TiffFile(tmp_path / name) as file:
            found = {tag.code: tag.value for tag in file.pages[0].tags}
        assert [found.get(code) for code in (274, 306, 315, 33432)] == [
            6,
            "2020:01:02 03:04:05",
            "Käthe",
            "CC0",
        ]
        assert 65000 not in found


def test_malformed_tags_are_left_out(tmp_path):
    tags = [
        (33550, "d", 2, (1.0, 2.0), True),
        (33922, "d", 5, (1.0,) * 5, True),
        (34264, "d", 3, (1.0,) * 3, True),
        (34735, "H", 3, (1, 1, 0), True),
        (34736, "s", 0, "numbers", True),
        (274, "H", 1, 6, True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), extratags=tags)
    part = read(tmp_path / "a.tif").part(((1, 5), (2, 6))).refined("YX", (2, 2))
    assert {tag[0] for tag in part.metadata.tags} == {34736, 274}
    save(tmp_path / "b.tif", np.zeros((8, 8), np.float32), part)

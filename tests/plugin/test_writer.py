import numpy as np

from napari_dip.io import read
from napari_dip.plugin.writer import write


def test_the_alpha_channel_of_a_layer_stays_one(tmp_path, random):
    data = random.random((20, 24, 4)).astype(np.float32)
    (path,) = write(str(tmp_path / "a.ome.tif"), data, {"rgb": True, "axis_labels": ("y", "x")})
    image = read(tmp_path / "a.ome.tif")
    assert path == str(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.data, data[..., :3])
    np.testing.assert_array_equal(image.alpha.values, data[..., 3])

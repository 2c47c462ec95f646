"""A filter's maps as layers."""

import numpy as np
import pytest
from napari.utils.transforms import Affine

from napari_dip import Denoise, restore
from napari_dip.methods.pkn import PKN
from napari_dip.plugin.layers import KEY, to_world

NAMES = ["width (px)", "a", "b", "noise gain (σ)", "elongation"]


def test_maps_are_layers_on_the_pixels_of_the_result(viewer, user, image):
    source = viewer.add_image(
        image,
        name="cells",
        scale=(0.5, 0.25),
        translate=(3, 4),
        rotate=30,
        affine=Affine(shear=[0.2]).affine_matrix,
        units=("um", "um"),
    )
    result = user.finishes(user.opens_filter(recover_sources=False))
    assert [layer.name for layer in viewer.layers] == ["cells", "cells denoised"] + [
        f"cells: {n}" for n in NAMES
    ]
    assert viewer.layers.selection.active is result.layer
    expected = restore(image, Denoise(), PKN(predictor="structure-tensor"), return_maps=True).parameter_maps
    for name, one in expected.items():
        layer = result.maps.layers[name]
        assert np.array_equal(layer.data, one.values)
        assert np.allclose(to_world(layer), to_world(source))
        assert layer.units == source.units
        assert not layer.visible
        assert layer.metadata[KEY]["map"] == name
        assert layer.metadata[KEY]["of"] == "cells denoised"
    low, high = result.maps.layers["a"].contrast_limits
    assert low == -high
    assert tuple(result.maps.layers["noise gain"].contrast_limits) == (0, 1)
    vectors = result.maps.vectors
    assert np.allclose(to_world(vectors), to_world(source))
    assert (np.linalg.norm(vectors.data[:, 1], axis=1) <= 2).all()  # cells of 64 / 40 pixels, rounded up


def test_maps_of_colours_have_no_colours(viewer, user, image):
    colours = np.repeat(image[..., None].clip(0, 255), 3, -1).astype(np.uint8)
    viewer.add_image(colours, name="flowers", rgb=True)
    result = user.finishes(user.opens_filter())
    assert result.layer.rgb
    assert result.maps.layers["width"].data.shape == (64, 64)


def test_maps_of_channels_are_shown_in_each(viewer, user, image):
    viewer.add_image(np.stack([image, image[::-1]]), name="cells", axis_labels=("c", "y", "x"))
    result = user.finishes(user.opens_filter())
    layer = result.maps.layers["width"]
    assert layer.data.shape == (2, 64, 64)
    assert np.array_equal(*layer.data)
    assert result.maps.values("width").shape == (64, 64)


def test_a_volume_is_filtered_plane_by_plane(viewer, user, image):
    volume = np.stack([image, image.T, image[::-1]])
    viewer.add_image(volume, name="cells", axis_labels=("z", "y", "x"), scale=(2, 1, 1))
    dock = user.opens_filter()
    user.sees(dock.run_button.isEnabled)
    assert "The planes are restored one after another." in dock.status.text()
    result = user.finishes(dock)
    assert result.run.frames == 3
    planes = [restore(plane, Denoise(), PKN(predictor="structure-tensor")).image for plane in volume]
    assert np.array_equal(result.layer.data, planes)
    assert result.maps.layers["width"].data.shape == volume.shape
    assert set(result.maps.vectors.data[:, 0, 0]) == {0, 1, 2}
    assert result.add_residual().data.shape == volume.shape


def test_a_layer_of_a_map_is_no_restored_image(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = user.opens_filter()
    result = user.finishes(dock)
    viewer.layers.selection = {result.maps.layers["width"]}
    assert dock.result_panel._layer is result.layer


@pytest.mark.parametrize("kernel", ["isotropic", "anisotropic"])
def test_the_best_settings_are_kept_in_the_record(viewer, user, image, kernel):
    viewer.add_image(image, name="cells")
    result = user.finishes(user.opens_filter(kernel=kernel))
    assert result.layer.metadata[KEY]["method"]["kernel"] == kernel
    assert (result.maps.vectors is None) == (kernel == "isotropic")


def test_maps_of_finer_pixels_lie_on_these(viewer, user, image):
    viewer.add_image(image, name="cells", scale=(0.5, 0.25), translate=(3, 4))
    dock = user.opens("Super-resolve", PKN(predictor="structure-tensor"))
    result = user.finishes(dock)
    layer = result.maps.layers["width"]
    assert layer.data.shape == result.layer.data.shape == (128, 128)
    assert np.allclose(to_world(layer), to_world(result.layer))
    assert np.allclose(layer.scale, (0.25, 0.125))

"""The uncertainty of a run, from the box in the dock to the layers."""

from dataclasses import replace

import numpy as np
import pytest
from napari.utils.transforms import Affine

from napari_dip import PKN, Denoise, GaussianNoise, restore
from napari_dip.plugin.layers import KEY, to_world
from napari_dip.plugin.runs import run

from ..conftest import SMALL

FILTER = PKN(predictor="structure-tensor")
ERRORS, SOURCES = "cells denoised: standard error", "cells denoised: recovered sources"


def with_uncertainty(user, method=FILTER):
    dock = user.opens("Denoise", method)
    dock.method.uncertainty.set(True)
    return dock


def test_standard_errors_are_a_hidden_layer_on_the_result(viewer, user, image):
    source = viewer.add_image(
        image,
        name="cells",
        scale=(0.5, 0.25),
        translate=(3, 4),
        rotate=30,
        affine=Affine(shear=[0.2]).affine_matrix,
        units=("um", "um"),
    )
    dock = with_uncertainty(user)
    result = user.finishes(dock)
    layer, wanted = viewer.layers[ERRORS], restore(image, Denoise(), FILTER, uncertainty=True)
    assert np.array_equal(result.layer.data, wanted.image)
    assert np.array_equal(layer.data, wanted.uncertainty.standard_error)
    assert layer.data.dtype == np.float32
    assert np.allclose(to_world(layer), to_world(source))
    assert layer.units == source.units
    assert not layer.visible
    assert layer.metadata[KEY]["of"] == "cells denoised"
    assert layer.metadata[KEY]["run"]["uncertainty"] is True
    assert viewer.layers.selection.active is result.layer
    viewer.layers.selection = {layer}
    assert dock.result_panel._layer is result.layer


def test_of_colours_the_mean_is_shown(viewer, user, image):
    colours = np.repeat(image[..., None].clip(0, 255), 3, -1).astype(np.uint8)
    viewer.add_image(colours, name="cells", rgb=True)
    result = user.finishes(with_uncertainty(user))
    errors = result.restoration.uncertainty.standard_error
    layer = viewer.layers[f"{ERRORS}, mean of the colours"]
    assert not layer.rgb
    assert np.allclose(layer.data, errors.mean(-1))


def test_run_again_measures_it_again_in_a_layer_of_its_own(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = with_uncertainty(user)
    first = user.finishes(dock)
    errors = viewer.layers[ERRORS]
    kept = errors.data.copy()
    dock.method.uncertainty.set(False)
    viewer.layers.selection = {first.layer}
    user.clicks(dock.result_panel.repeat)
    user.sees(lambda: len(dock.result_panel._results) == 2)
    assert dock.method.uncertainty.value
    assert np.array_equal(errors.data, kept)
    assert viewer.layers[f"{ERRORS} [1]"] is not errors
    assert np.array_equal(viewer.layers[f"{ERRORS} [1]"].data, kept)


def test_recovered_sources_are_a_hidden_layer_of_both_signs(viewer, user, random):
    rows, columns = np.mgrid[:48, :48]
    spots = [(12, 12, 70), (34, 30, -70)]
    truth = 100 + sum(height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 4) for y, x, height in spots)
    viewer.add_image(random.normal(truth, 10).astype(np.float32), name="cells", scale=(2, 2))
    dock = user.opens("Denoise", replace(SMALL, recover_sources=True))
    dock.task.show_task(Denoise(GaussianNoise(10.0)))
    result = user.finishes(dock)
    layer = viewer.layers[SOURCES]
    assert np.array_equal(layer.data, result.restoration.recovered_sources)
    assert layer.data[12, 12] > 20
    assert layer.data[34, 30] < -20
    low, high = layer.contrast_limits
    assert low == -high == -np.abs(layer.data).max()
    assert np.allclose(layer.colormap.map(np.array([0.5])), [[0, 0, 0, 1]], atol=0.01)
    assert np.allclose(to_world(layer), to_world(result.layer))
    assert not layer.visible
    assert ERRORS not in viewer.layers


def test_a_run_that_is_stopped_says_why_there_are_no_standard_errors(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = with_uncertainty(user, SMALL)
    dock.task.show_task(Denoise(GaussianNoise(10.0)))
    panel = user.runs_endlessly(dock)
    user.sees(lambda: panel.curves.best is not None)
    user.clicks(panel.stop_button)
    user.sees(lambda: not dock._panels)
    assert "No uncertainty can be given: the run did not finish." in dock.message.text()
    assert ERRORS not in viewer.layers


def test_the_cost_is_that_of_all_three_restorations(viewer, user, image, monkeypatch):
    asked, estimate = [], run.estimate_cost

    def noted(*arguments, **options):
        asked.append(options["uncertainty"])
        return estimate(*arguments, **options)

    monkeypatch.setattr(run, "estimate_cost", noted)
    viewer.add_image(image, name="cells")
    dock = user.opens("Denoise", FILTER)
    user.sees(dock.run_button.isEnabled)
    dock.method.uncertainty.set(True)
    user.sees(dock.run_button.isEnabled)
    assert asked == [False, True]


@pytest.mark.parametrize(("task", "offered"), [("Denoise", True), ("Inpaint", False), ("Deconvolve", False)])
def test_it_is_offered_where_noise_is_removed(viewer, user, image, task, offered):
    viewer.add_image(image, name="cells")
    dock = user.opens(task)
    dock.method.uncertainty.set(True)
    assert dock.method.uncertainty.isVisible() == offered
    assert dock.method.options["uncertainty"] == offered
    if task == "Inpaint":
        dock.task.form.fields["keep_observed"].set(False)
        assert dock.method.options["uncertainty"]


def test_the_choice_is_remembered(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = with_uncertainty(user)
    user.finishes(dock)
    viewer.window.remove_dock_widget("all")
    assert user.opens("Denoise", None).method.uncertainty.value


def test_another_strength_uses_all_pixels_and_says_so(viewer, user, image):
    viewer.add_image(image, name="cells")
    dock = with_uncertainty(user)
    result = user.finishes(dock)
    dock.result_panel.filter.strength.setValue(200)
    wanted = restore(image, Denoise(), replace(FILTER, strength=2.0)).image
    user.sees(lambda: np.array_equal(result.layer.data, wanted))
    assert result.layer.metadata[KEY]["uncertainty"] is False

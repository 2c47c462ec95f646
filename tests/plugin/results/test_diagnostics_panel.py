"""What a result says of itself, in the dock."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel

from napari_dip import Denoise, GaussianNoise
from napari_dip.diagnostics.report import Peak
from napari_dip.plugin.layers import KEY


@pytest.fixture
def restored(viewer, user, image):
    """Return a function that restores an image or a series with a filter; it returns dock and result."""

    def restored(data, **place):
        viewer.add_image(data, name="cells", **place)
        dock = user.opens_filter()
        dock.task.noise.set(GaussianNoise(10.0))
        return dock, user.finishes(dock)

    return restored


def cells(panel):
    return [one.text() for one in panel.details.findChildren(QLabel)]


def test_the_verdict_follows_the_run(restored, user, image):
    dock, result = restored(image)
    panel = dock.result_panel.diagnostics
    user.sees(panel.verdict.isVisible)
    found = result.restoration.diagnostics
    assert panel.verdict.text() == " ".join([found.verdict, *found.findings[:1]])
    assert isinstance(result.run.task, Denoise)
    assert not panel.details.isExpanded()
    panel.details.expand(animate=False)
    assert "σ = 10 grey levels everywhere (as told)" in cells(panel)
    assert str(found.fitted.whole) in cells(panel)
    assert all("<" not in one for one in cells(panel) if not one.startswith("<i>"))


def test_it_is_that_of_the_frame_on_the_screen(restored, viewer, user, image):
    dock, result = restored(np.stack([image, np.full_like(image, 3), image[::-1] + 5]))
    first, _, third = result.restoration.diagnostics
    panel = dock.result_panel.diagnostics
    viewer.dims.set_current_step(0, 0)
    assert panel.verdict.text().startswith(first.verdict)
    viewer.dims.set_current_step(0, 1)
    assert not panel.isVisible()  # an empty frame
    viewer.dims.set_current_step(0, 2)
    assert panel.isVisible()
    assert panel.verdict.text().startswith(third.verdict)
    panel.details.expand(animate=False)
    assert str(third.fitted.whole) in cells(panel)


def test_an_image_that_was_changed_is_no_longer_judged(restored, user, image):
    dock, result = restored(image)
    assert result.layer.metadata[KEY]["frames"][0]["diagnostics"] is not None
    dock.result_panel.filter.strength.setValue(50)
    user.sees(lambda: result.changed)
    panel = dock.result_panel.diagnostics
    user.sees(lambda: "changed after the run" in panel.verdict.text())
    assert not panel.details.isVisible()
    assert result.layer.metadata[KEY]["frames"][0]["diagnostics"] is None


def test_peaks_become_points_on_the_image(restored, viewer, user, image):
    """Each lies on its pixel and its frame, whatever the scale of the image."""
    series = np.stack([image, image.T]) + 5
    dock, result = restored(series, scale=(2, 0.5, 0.25))
    (first, second), places = result.restoration.frames, [(3, 4), (30, 21), (60, 2)]
    peaks = tuple(Peak(place, 0, 7.5, 1.3) for place in places)
    reports = (first, replace(second, diagnostics=replace(second.diagnostics, peaks=peaks)))
    result.restoration = replace(result.restoration, frames=reports)
    viewer.dims.set_current_step(0, 0)
    viewer.dims.set_current_step(0, 1)
    panel = dock.result_panel.diagnostics
    panel.details.expand(animate=False)
    user.clicks(panel.peaks)
    points = viewer.layers["cells denoised: peaks of the residual"]
    np.testing.assert_array_equal(points.data, [(1, *place) for place in places])
    np.testing.assert_array_equal(points.scale, (2, 0.5, 0.25))
    assert list(points.features["significance"]) == [7.5] * 3

from dataclasses import replace

import numpy as np

from napari_dip import Denoise, GaussianNoise
from napari_dip.plugin import demo
from napari_dip.plugin.demo import begin
from napari_dip.restoration.recipe import Recipe
from napari_dip.synthetic.damage import damaged_micrograph

from .conftest import SMALL


def test_the_demonstration_runs_by_itself(viewer, user, monkeypatch):
    monkeypatch.setattr(demo, "SETTINGS", replace(SMALL, iterations=10))
    _, dock = viewer.window.add_plugin_dock_widget("napari-dip", "Denoise")
    dock.task.show_task(Denoise(GaussianNoise(3.0)))  # as an earlier run may have left it
    assert begin(viewer) is dock
    user.sees(lambda: len(viewer.layers) == 3 and not dock._panels, seconds=60)
    tissue, scratches, result = viewer.layers
    _, noisy, missing = damaged_micrograph()
    assert tissue.rgb
    assert np.array_equal(tissue.data, np.trunc(noisy))
    assert np.array_equal(scratches.data != 0, missing)
    provenance = result.metadata["napari-dip"]
    recipe = Recipe.of(provenance)
    assert (recipe.task, recipe.method) == (Denoise(), demo.SETTINGS)
    assert provenance["source"]["layer"] == tissue.name
    assert provenance["source"]["missing"]["layer"] == scratches.name

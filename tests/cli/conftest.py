import numpy as np
import pytest
import tifffile


@pytest.fixture
def image(tmp_path, random):
    """A file of 20 x 24 pixels of half a micrometre."""
    path = tmp_path / "in.tif"
    data = random.integers(0, 255, (20, 24)).astype(np.uint8)
    tifffile.imwrite(
        path, data, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    )
    return path


@pytest.fixture
def cells(tmp_path, random):
    """A file of a noisy image that is large enough for the window of a filter."""
    path = tmp_path / "cells.tif"
    truth = 100 + 60 * np.sin(np.arange(72)[:, None] / 4) * np.cos(np.arange(64) / 5)
    data = (truth + random.normal(0, 20, truth.shape)).astype(np.float32)
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, data, ome=True, metadata=metadata)
    return path

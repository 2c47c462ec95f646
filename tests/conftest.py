import numpy as np
import pytest
import torch

from napari_dip import DIP, Hourglass


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def phantom():
    """Smooth and sharp structure, 64 x 64, grey levels 20 to 220."""
    rows, columns = np.mgrid[:64, :64] / 64
    image = 120 + 60 * np.sin(7 * rows + 3 * columns)
    image[(rows - 0.4) ** 2 + (columns - 0.6) ** 2 < 0.04] = 220
    image[40:56, 8:24] = 20
    return image.astype(np.float32)


@pytest.fixture
def tiny():
    """Settings of a run that takes milliseconds; for what does not depend on the quality."""
    return DIP(
        ensemble_size=1,
        iterations=6,
        input_channels=2,
        precision="float32",
        network=Hourglass(widths=(4, 4), skips=(2, 2)),
    )

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
def lazy():
    """Return a function from an array to a dask array with a chunk per entry of its first axis.

    The function also returns a list of the entries that have been computed, which grows with every read.
    """
    from dask.array import map_blocks

    def counted(values):
        computed = []

        def chunk(block_info=None):
            at = block_info[None]["chunk-location"][0]
            computed.append(at)
            return values[at : at + 1]

        chunks = ((1,) * len(values), *((n,) for n in values.shape[1:]))
        return map_blocks(chunk, chunks=chunks, meta=np.empty(0, values.dtype)), computed

    return counted


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

"""The examples of docs/adding-a-kernel.md run, and its kernel is correct."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from napari_dip.pkn import objectives, trainer
from napari_dip.pkn.kernels.bilateral import Bilateral
from napari_dip.pkn.kernels.gaussian import Anisotropic
from napari_dip.pkn.observation import Observation

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "adding-a-kernel.md").read_text(encoding="utf-8")
FILE = DOCS / "anisotropic_bilateral.py"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROW = '    "anisotropic bilateral": example_kernel(),\n'


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    """Let the page import its kernel, as from a file beside the user's script."""
    monkeypatch.syspath_prepend(str(DOCS))
    yield
    sys.modules.pop(FILE.stem, None)


@pytest.fixture
def kernel():
    from anisotropic_bilateral import AnisotropicBilateral

    return AnisotropicBilateral()


def test_the_page_shows_the_file():
    source = FILE.read_text(encoding="utf-8")
    assert BLOCKS[0] in source
    assert len(source.splitlines()) <= 60


def test_the_row_is_in_the_table():
    table = (Path(__file__).parent / "kernels" / "test_kernels.py").read_text(encoding="utf-8")
    assert ROW in PAGE
    assert ROW in table


def test_the_examples_run(monkeypatch, capsys):
    monkeypatch.setattr(trainer, "_SETTING_ITERATIONS", 2)
    monkeypatch.setattr(objectives, "_SIDE", 32)
    names = {}
    exec(BLOCKS[1], names)
    clean, noisy, restored = (names[name] for name in ("clean", "noisy", "restored"))
    before, after = ((one - clean).square().mean() for one in (noisy, restored))
    assert after < before / 4
    assert names["width"].shape == (160, 160)
    short = BLOCKS[2].replace("range(50)", "range(2)").replace("range(50, 60)", "range(2, 3)")
    exec(short.replace("256", "64").replace("2000", "2"), names)
    assert capsys.readouterr().out.startswith("0: ")


def test_it_follows_the_formula(kernel, speckled, tensor, brute, offsets, random):
    maps = random.uniform([0.4, -2, -2, 0.5], [4, 2, 2, 5], (*speckled.shape, 4))
    sigma = random.uniform(5, 15, speckled.shape)
    padded, (dy, dx) = np.pad(speckled, 5, mode="reflect"), offsets(5)

    def weights(row, column):
        width, a, b, contrast = maps[row, column]
        m = -2 * np.log(width)
        q = expm(np.array([[m + a, b], [b, m - a]]))
        far = q[0, 0] * dy**2 + 2 * q[0, 1] * dy * dx + q[1, 1] * dx**2
        distance = (padded[row : row + 11, column : column + 11] - speckled[row, column]) ** 2
        return np.exp(-0.5 * far - distance / (2 * (contrast * sigma[row, column]) ** 2))

    filtered = kernel.apply(
        Observation(tensor(speckled), tensor(sigma)), torch.from_numpy(maps).permute(2, 0, 1)[None]
    )
    np.testing.assert_allclose(filtered[0, 0], brute(speckled, weights, 5), rtol=1e-9)


def test_its_limits_are_the_two_kernels_that_it_combines(kernel, speckled, tensor, random, monkeypatch):
    monkeypatch.setattr(Anisotropic, "radius", kernel.radius)
    maps = torch.from_numpy(random.uniform([0.4, -2, -2, 0.5], [4, 2, 2, 5], (*speckled.shape, 4)))
    width, a, b, contrast = maps.permute(2, 0, 1)[None].split(1, 1)
    observation = Observation(tensor(speckled), torch.full((1, 1, 1, 1), 10.0).double())
    any_contrast = kernel.apply(observation, torch.cat([width, a, b, 1e9 + contrast], 1))
    torch.testing.assert_close(any_contrast, Anisotropic().apply(observation, torch.cat([width, a, b], 1)))
    round_one = kernel.apply(observation, torch.cat([width, 0 * a, 0 * b, contrast], 1))
    torch.testing.assert_close(round_one, Bilateral().apply(observation, torch.cat([width, contrast], 1)))

"""docs/adding-an-operator.md and its example do what they say."""

import re
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import numpy as np
import pytest
import torch
from skimage.transform import radon

from napari_dip.operators import Grid

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "adding-an-operator.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
Radon = run_path(DOCS / "radon.py")["Radon"]


def blobs(n):
    """Return a smooth image without symmetry that is 0 outside the inscribed circle."""
    rows, columns = (np.mgrid[:n, :n] - n // 2) / n
    image = np.exp(-((rows - 0.1) ** 2 + (columns + 0.2) ** 2) / 0.01)
    image += 0.5 * np.exp(-((rows + 0.15) ** 2 / 0.004 + (columns - 0.05) ** 2 / 0.02))
    return np.where(np.hypot(rows, columns) < 0.45, image, 0)


@pytest.mark.parametrize("n", [48, 49])
def test_it_agrees_with_scikit_image(n):
    angles = np.arange(0, 360, 20)
    expected = radon(blobs(n), angles, circle=True)
    sinogram = Radon(angles)(torch.from_numpy(blobs(n))[None, None])[0, 0].numpy()
    assert np.linalg.norm(sinogram - expected) < 1e-3 * np.linalg.norm(expected)


def test_every_projection_sums_to_the_whole_image():
    image = torch.from_numpy(blobs(48))[None, None]
    sums = Radon(range(0, 180, 15))(image).sum(2)
    torch.testing.assert_close(sums, image.sum().expand_as(sums), rtol=1e-3, atol=0)


def test_only_sinograms_are_accepted_as_data():
    assert Radon([0, 45, 90]).grid((20, 3)) == Grid((20, 20), (1.0, 1.0), (0.0, 0.0))
    for shape in [(20, 4), (20, 3, 3)]:
        with pytest.raises(ValueError, match=r"must be \(detectors, 3\)"):
            Radon([0, 45, 90]).grid(shape)


def test_the_page_shows_the_file_its_row_and_its_comparison():
    assert BLOCKS[0] in (DOCS / "radon.py").read_text(encoding="utf-8")
    assert BLOCKS[1].strip() in Path(__file__).with_name("test_operators.py").read_text(encoding="utf-8")
    assert BLOCKS[2] in Path(__file__).read_text(encoding="utf-8")


def test_the_code_of_the_page_reconstructs_a_slice():
    """It runs in a process of its own, since a new task would be offered everywhere in this one."""
    code = BLOCKS[3] + BLOCKS[4].replace("(128, 128)", "(64, 64)").replace("DIP()", "DIP(iterations=3)")
    code += "\nprint(slice_.shape)"
    done = subprocess.run([sys.executable, "-c", code], cwd=DOCS, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(64, 64)"

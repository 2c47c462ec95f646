"""Make the README's picture from a run of the demonstration: before, after, residual side by side.

python docs/make_pictures.py
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from napari_dip.demo import run
from napari_dip.progress import Reporter


def main() -> None:
    """Run the demonstration and put its pictures side by side."""
    with tempfile.TemporaryDirectory() as folder, Reporter() as reporter:
        reporter.say(run(Path(folder), reporter))
        pictures = [
            np.asarray(Image.open(Path(folder) / f"{name}.png")) for name in ("before", "after", "residual")
        ]
    gap = np.full((pictures[0].shape[0], 8, 3), 255, np.uint8)
    row = np.concatenate([pictures[0], gap, pictures[1], gap, pictures[2]], axis=1)
    target = Path(__file__).parent / "images" / "demo.png"
    Image.fromarray(row).save(target, optimize=True)


if __name__ == "__main__":
    main()

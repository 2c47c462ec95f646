"""The demonstration: a real micrograph is damaged and restored."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io import ImageFile, writable, write
from napari_dip.methods import DIP
from napari_dip.restoration.api import restore
from napari_dip.restoration.text import summary
from napari_dip.synthetic.damage import SIGMA, TIME_LIMIT, damaged_micrograph
from napari_dip.tasks import Denoise

if TYPE_CHECKING:
    from napari_dip.cli.reporter import Reporter

SETTINGS = DIP(time_limit=TIME_LIMIT)


def run(folder: Path, reporter: "Reporter") -> str:
    """Restore the damaged image; write ``before.png``, ``after.png``, ``residual.png``, ``summary.txt``.

    Parameters
    ----------
    folder : Path
        Folder to write to; it is created if necessary. Images of an earlier demonstration are replaced.
    reporter : Reporter
        Shows progress.

    Returns
    -------
    str
        The summary.

    Raises
    ------
    FileError
        The folder can't be created or written to, or it holds images of these names that are not the
        demonstration's.
    """
    clean, noisy, missing = damaged_micrograph()
    pictures = {name: folder / f"{name}.png" for name in ("before", "after", "residual")}
    words = folder / "summary.txt"
    if any(path.exists() for path in pictures.values()) and not words.exists():
        raise FileError(f"{folder} holds images of the same names by somebody else: choose another --output")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"can't create the folder {folder}: {error.strerror}") from error
    as_bytes = ImageFile(noisy.astype(np.uint8), "YXC")
    for path in pictures.values():
        writable(path, as_bytes, "YXC", keep_dtype=False)
    reporter.begin(SETTINGS)
    result = restore(noisy, Denoise(), SETTINGS, missing=missing, callback=reporter.show)

    residual = np.where(missing[..., None], 0, noisy - result.image)
    images = {"before": noisy, "after": result.image, "residual": 128 + residual}
    for name, path in pictures.items():
        write(path, images[name], as_bytes, axes="YXC", provenance=result.provenance)
    text = (
        f"A stained tissue section with Gaussian noise (sigma = {SIGMA:g} grey levels) and scratches over "
        f"{missing.mean():.0%} of its pixels.\n"
        "Deep Image Prior has removed the noise and filled in the scratches in one run. It was told where "
        "the scratches are, but not how strong the noise is.\n"
        f"{summary(result)}\n"
        f"PSNR, compared with the true image: {psnr(noisy, clean):.2f} dB before, "
        f"{psnr(result.image, clean):.2f} dB after.\n"
        f"Images: {', '.join(map(str, pictures.values()))}"
    )
    words.write_text(text + "\n", encoding="utf-8")
    return text


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of 8-bit grey levels, in dB."""
    error = np.mean((np.clip(image, 0, 255) - truth) ** 2)
    return float(10 * np.log10(255**2 / error))

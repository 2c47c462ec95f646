"""The demonstration: a real micrograph is damaged and restored."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.errors import FileError, reason
from napari_dip.io import ImageFile, reserved, write
from napari_dip.io.atomic import new_file
from napari_dip.methods import DIP
from napari_dip.restoration.api import restore
from napari_dip.restoration.text import summary
from napari_dip.synthetic.damage import SIGMA, TIME_LIMIT, damaged_micrograph
from napari_dip.tasks import Denoise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_dip.cli.interruption import Interruption
    from napari_dip.cli.reporter import Reporter
    from napari_dip.restoration.result import Restoration

SETTINGS = DIP(time_limit=TIME_LIMIT)


#: How the summary begins.
_SUBJECT = "A stained tissue section"


def run(folder: Path, reporter: "Reporter", interruption: "Interruption") -> str:
    """Restore the damaged image; write ``before.png``, ``after.png``, ``residual.png``, ``summary.txt``.

    Parameters
    ----------
    folder : Path
        Folder to write to; it is created if necessary. Images of an earlier demonstration are replaced.
    reporter : Reporter
        Shows progress.
    interruption : Interruption
        Says when to stop. The images are written as they are then.

    Returns
    -------
    str
        The summary.

    Raises
    ------
    FileError
        The folder can't be created or written to, or it holds files of these names that are not the
        demonstration's.
    """
    clean, noisy, missing = damaged_micrograph()
    pictures = {name: folder / f"{name}.png" for name in ("before", "after", "residual")}
    words = folder / "summary.txt"
    earlier = _is_summary(words)
    if not earlier and any(path.exists() for path in (*pictures.values(), words)):
        raise FileError(
            f"{folder} has files of the same names that are not from a demonstration: choose another --output"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FileError(f"can't create the folder {folder}: it is a file") from error
    except OSError as error:
        raise FileError(f"can't create the folder {folder}: {reason(error)}") from error
    as_bytes = ImageFile(noisy.astype(np.uint8), "YXC")
    with ExitStack() as held:
        for path in pictures.values():
            held.enter_context(reserved(path, as_bytes, "YXC", keep_dtype=False))
    reporter.begin(SETTINGS)
    with interruption.finishing():
        result = restore(
            noisy,
            Denoise(),
            SETTINGS,
            missing=missing,
            callback=reporter.show,
            stopping_rule=interruption.rule,
        )
        return _written(clean, noisy, missing, result, pictures, words, overwrite=earlier)


def _is_summary(path: Path) -> bool:
    """Return whether a file is the summary of an earlier demonstration."""
    try:
        return path.read_text(encoding="utf-8").startswith(_SUBJECT)
    except (OSError, UnicodeDecodeError):
        return False


def _written(
    clean: np.ndarray,
    noisy: np.ndarray,
    missing: np.ndarray,
    result: "Restoration",
    pictures: "Mapping[str, Path]",
    words: Path,
    *,
    overwrite: bool,
) -> str:
    """Write the images and the summary, and return the summary."""
    as_bytes = ImageFile(noisy.astype(np.uint8), "YXC")
    residual = np.where(missing[..., None], 0, noisy - result.image)
    images = {"before": noisy, "after": result.image, "residual": 128 + residual}
    text = (
        f"{_SUBJECT} with Gaussian noise (sigma = {SIGMA:g} grey levels) and scratches over "
        f"{missing.mean():.0%} of its pixels.\n"
        "Deep Image Prior has removed the noise and filled in the scratches in one run. It was told where "
        "the scratches are, but not how strong the noise is.\n"
        f"{summary(result)}\n"
        f"PSNR, compared with the true image: {psnr(noisy, clean):.2f} dB before, "
        f"{psnr(result.image, clean):.2f} dB after.\n"
        f"Images: {', '.join(map(str, pictures.values()))}"
    )
    # First, because it says whose images are beside it, also if another one is not written.
    with new_file(words, overwrite=overwrite) as file:
        file.write(f"{text}\n".encode())
    for name, path in pictures.items():
        write(path, images[name], as_bytes, axes="YXC", provenance=result.provenance, overwrite=overwrite)
    return text


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of 8-bit grey levels, in dB."""
    error = np.mean((np.clip(image, 0, 255) - truth) ** 2)
    return float(10 * np.log10(255**2 / error))

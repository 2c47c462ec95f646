"""The image of the demonstration: a real micrograph, with noise and scratches added."""

import numpy as np

SIGMA = 20.0  #: standard deviation of the noise, in grey levels
TIME_LIMIT = 150.0  #: time limit of its restoration, in seconds


def damaged_micrograph() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a clean image, the same image with noise and scratches, and the mask of the scratches.

    The image is a stained tissue section that comes with scikit-image.

    Returns
    -------
    clean, noisy : ndarray of float32, shape ``(256, 256, 3)``
        Grey levels from 0 to 255.
    missing : ndarray of bool, shape ``(256, 256)``
        Scratched pixels, which have the maximum grey level in `noisy`.
    """
    from skimage.data import immunohistochemistry
    from skimage.draw import line
    from skimage.morphology import dilation, disk

    clean = immunohistochemistry()[128:384, 128:384].astype(np.float32)
    random = np.random.default_rng(0)
    missing = np.zeros(clean.shape[:2], bool)
    for row, column, end_row, end_column in random.integers(0, 256, (9, 4)):
        missing[line(row, column, end_row, end_column)] = True
    missing = dilation(missing, disk(1))
    noisy = np.clip(clean + random.normal(0, SIGMA, clean.shape), 0, 255).astype(np.float32)
    noisy[missing] = 255
    return clean, noisy, missing

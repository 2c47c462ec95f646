"""A real micrograph, damaged: the image of the demonstration."""

import numpy as np

SIGMA = 20.0  #: of its noise, in grey levels
TIME_LIMIT = 150.0  #: seconds that its restoration may take


def damaged_micrograph() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a clean image, the noisy and scratched one, and where the scratches are.

    The image is a stained tissue section that comes with scikit-image.

    Returns
    -------
    clean, noisy : ndarray of float32, shape ``(256, 256, 3)``
        Grey levels, 0 to 255.
    missing : ndarray of bool, shape ``(256, 256)``
        Scratches; their grey levels in `noisy` are the maximum.
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

"""All methods of deconvolution on blurred images, beside the best results that classic filters can have.

    python benchmarks/deconvolution.py DATA [ROW ...] [--output FILE.json]

DATA is a folder of test images with known truth (`benchmarks/README.md` names its files). Centre crops of 256
by 256 pixels are blurred by a Gaussian of 4 pixels at half its maximum; what lies beyond the border shines
in. The noise is Gaussian, of 1 % of the range, or that of 100 photons at the peak. No method is told which,
nor how strong it is. For the best results of Richardson-Lucy and the Wiener filter, the truth chooses the
number of iterations and the balance.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
from common import centre, load, main, psnr
from scipy.signal import fftconvolve
from skimage import restoration

from napari_dip import DIP, PKN, Deconvolve, GaussianPSF, NonLocalBayes, RichardsonLucy, Wiener, restore

SIDE = 256  # of a crop, in pixels
PSF = GaussianPSF(fwhm=4.0)
IMAGES = ("andromeda", "cytoplasm", "fishembryo", "membrane", "mitochondria", "neurons")
METHODS = {
    "richardson_lucy": RichardsonLucy(),
    "wiener": Wiener(),
    "pkn": PKN(),
    "nonlocal_bayes": NonLocalBayes(),
    "dip": DIP(),
}


def observed(blurred: np.ndarray, noise: str) -> np.ndarray:
    """Return a blurred image of 0 to 255 with noise."""
    draw = np.random.default_rng(1)
    if noise == "gaussian":
        return blurred + draw.normal(0, 2.55, blurred.shape)
    return 2.55 * draw.poisson(blurred.clip(0) / 2.55)


def best_richardson_lucy(image: np.ndarray, truth: np.ndarray, kernel: np.ndarray) -> tuple[float, int]:
    """Return the highest PSNR in 200 iterations, and after which of them."""
    margin = 16
    light = np.pad(image.clip(0), margin, mode="reflect")
    x, best = np.full(light.shape, light.mean()), (0.0, 0)
    for number in range(1, 201):
        ratio = light / fftconvolve(x, kernel, mode="same").clip(1e-6)
        x = (x * fftconvolve(ratio, kernel[::-1, ::-1], mode="same")).clip(0)
        best = max(best, (psnr(x[margin:-margin, margin:-margin], truth), number))
    return best


def best_wiener(image: np.ndarray, truth: np.ndarray, kernel: np.ndarray) -> float:
    """Return the highest PSNR of scikit-image's Wiener filter, of many balances."""
    margin = 16
    padded, inside = np.pad(image, margin, mode="reflect"), (slice(margin, -margin),) * 2
    balances = 10.0 ** np.arange(-4, 2, 0.25)
    return max(psnr(restoration.wiener(padded, kernel, one, clip=False)[inside], truth) for one in balances)


def row(data: Path, *, name: str, noise: str) -> dict:
    """Return the PSNR of each method, in dB, and its seconds."""
    whole = load(data / "science_clean" / f"{name}.png")
    kernel = PSF.kernel(2).astype(float)
    margin = kernel.shape[0]
    wide = np.pad(whole, margin, mode="reflect")
    blurred = fftconvolve(wide, kernel, mode="same")[margin:-margin, margin:-margin]
    truth, image = centre(whole, SIDE), observed(centre(blurred, SIDE), noise)
    lucy, number = best_richardson_lucy(image, truth, kernel)
    found = {"input": psnr(image, truth), "richardson_lucy_best": lucy, "richardson_lucy_best_at": number}
    found["wiener_best"] = best_wiener(image, truth, kernel)
    for title, method in METHODS.items():
        start = time.perf_counter()
        result = restore(image.astype(np.float32), Deconvolve(psf=PSF), method, device="cpu")
        found[f"{title}_seconds"] = time.perf_counter() - start
        found[title] = psnr(result.image, truth)
    return {key: round(value, 2) for key, value in found.items()}


ROWS = {
    f"{noise}/{name}": partial(row, name=name, noise=noise)
    for noise in ("gaussian", "photons")
    for name in IMAGES
}

if __name__ == "__main__":
    main(__doc__, __file__, ROWS)

"""Flux: flat fields of few photons, stars after deconvolution, and widths of blurs that are measured.

python benchmarks/flux.py flat|sky|psf
"""

import sys
import warnings

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    GaussianPSF,
    MoffatPSF,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    Wiener,
    estimate_psf,
    restore,
)

OFFSET, GAIN = 100.0, 2.0


def flat(side: int = 128) -> None:
    """Print what methods do to the mean of flat fields, in percent and in standard errors."""
    methods = (PKN(), PKN(kernel="nlm"), DIP(iterations=300, ensemble_size=1))
    for read in (0.0, 0.5, 2.0):
        for photons in (0.2, 0.5, 1, 2, 5, 20, 100):
            random = np.random.default_rng(1)
            counts = random.poisson(photons, (side, side)) + read * random.normal(size=(side, side))
            data = OFFSET + GAIN * counts
            noise = PoissonGaussianNoise(GAIN, OFFSET, GAIN * read) if read else PoissonNoise(GAIN, OFFSET)
            error = np.sqrt(photons + read**2) / side
            for method in methods:
                lost = (restore(data, Denoise(noise), method).image.mean() - data.mean()) / GAIN
                print(f"{read} {photons} {method} {lost / photons:+.2%} {lost / error:+.1f} errors")


def sky(psf: GaussianPSF | MoffatPSF, seed: int = 0, side: int = 192) -> None:
    """Print the flux of stars of 100 to 100 000 photons after deconvolution, over the true one."""
    random = np.random.default_rng(seed)
    places = [(row, column) for row in range(20, side - 19, 24) for column in range(20, side - 19, 24)]
    fluxes = 10 ** (2 + 3 * (np.arange(len(places)) % 7) / 6)
    scene = np.zeros((side, side))
    scene[tuple(np.transpose(places))] = fluxes
    light = fftconvolve(scene, psf.kernel(2), mode="same").clip(0) + 20
    data = OFFSET + random.poisson(light) + random.normal(0, 3, light.shape)
    task = Deconvolve(PoissonGaussianNoise(1.0, OFFSET, 3.0), psf)
    rows, columns = np.mgrid[-11:12, -11:12]
    inner = np.hypot(rows, columns) <= 9
    for method in (PKN(), DIP(), Wiener(), RichardsonLucy(30)):
        image = restore(data, task, method).image
        stamps = [image[r - 11 : r + 12, c - 11 : c + 12] for r, c in places]
        found = np.array([(one - np.median(one[~inner]))[inner].sum() for one in stamps])
        ratios = [found[fluxes == one].mean() / one for one in np.unique(fluxes)]
        total = (image - OFFSET).sum() / (data - OFFSET).sum()
        empty = gaussian_filter(scene, 4) < 1e-3
        level = (image[empty] - OFFSET - 20).mean() / np.sqrt(20 + 3**2)
        print(
            type(method).__name__,
            np.round(ratios, 2),
            f"sum {total:.4f}, least {image.min():.0f}, empty sky {level:+.3f} σ",
        )


def psf() -> None:
    """Print the widths that are measured on skies and on a blurred disc."""
    random = np.random.default_rng(0)
    for true in (*map(GaussianPSF, (1.8, 2.5, 4.0, 7.0)), MoffatPSF(2.5), MoffatPSF(4.0)):
        scene = np.zeros((256, 256))
        for _ in range(60):
            scene[tuple(random.integers(8, 248, 2))] += 10 ** random.uniform(2, 4.5)
        light = fftconvolve(scene, true.kernel(2), mode="same").clip(0) + 50
        print(true, estimate_psf(random.poisson(light) + random.normal(0, 3, light.shape)).in_words)
    rows, columns = np.mgrid[:200, :200]
    disc = np.where(np.hypot(rows - 99.7, columns - 100.2) < 60, 200.0, 50.0)
    for sigma in (1.0, 1.5, 2.5, 4.0):
        for noise in (2, 10):
            image = gaussian_filter(disc, sigma) + random.normal(0, noise, disc.shape)
            print(f"disc {2.355 * sigma:.2f}, noise {noise}:", estimate_psf(image).in_words)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    runs = {"flat": flat, "sky": lambda: [sky(one) for one in (GaussianPSF(3.5), MoffatPSF(3.5))], "psf": psf}
    runs[sys.argv[1]]()

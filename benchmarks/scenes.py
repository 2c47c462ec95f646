"""Simulated skies and micrographs with known truth: what a referee would try.

Grey levels are photoelectrons over a camera's offset. Every scene is made from a seed. "SNR" is the
signal-to-noise ratio that a matched filter with the true shape reaches on a source.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from napari_dip import GaussianNoise, PoissonGaussianNoise
from napari_dip.noise.models import NoiseModel

#: Classes of sources by their SNR: faint to bright.
CLASSES = ((3, 5), (5, 8), (8, 15), (15, 50), (50, 1000))
#: Full width at half maximum of a star in pixels, and Moffat's exponent of its wings.
FWHM, WINGS = 3.0, 3.0
#: Distance of sources from each other and from the border, in pixels.
APART = 14


@dataclass(frozen=True, eq=False)
class Sources:
    """Sources of one shape.

    Parameters
    ----------
    shape : ndarray, shape ``(K, K)``
        The image of a source in the middle of a pixel, of sum 1.
    places : ndarray of int, shape ``(number, 2)``
        Row and column.
    flux : ndarray, shape ``(number,)``
        Sum of the grey levels of each.
    snr : ndarray, shape ``(number,)``
        Signal-to-noise ratio of each in the data.
    """

    shape: np.ndarray
    places: np.ndarray
    flux: np.ndarray
    snr: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """An image without noise, the noise of its data, and the data.

    Parameters
    ----------
    truth : ndarray, shape ``(H, W)``
        The image without noise.
    noise : NoiseModel
        The true noise.
    data : ndarray, shape ``(H, W)``
        The image with noise.
    sources : Sources, optional
        What can be counted and measured in it.
    levels : dict
        What else is known, such as the background.
    """

    truth: np.ndarray
    noise: NoiseModel
    data: np.ndarray
    sources: Sources | None = None
    levels: dict[str, float] = field(default_factory=dict)

    @property
    def sigma(self) -> np.ndarray:
        """Standard deviation of the noise in each pixel."""
        return deviation(self.noise, self.truth)


def deviation(noise: NoiseModel, image: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the noise of each pixel of an image."""
    import torch

    variance = noise.variance(torch.from_numpy(image[None, None].astype(np.float64)))
    return np.broadcast_to(variance.sqrt().numpy(), (1, 1, *image.shape))[0, 0].copy()


def _finished(truth: np.ndarray, noise: NoiseModel, seed: int, **known: object) -> Scene:
    """Return the scene with its data drawn."""
    import torch

    generator = torch.Generator().manual_seed(1000 + seed)
    data = noise.sample(torch.from_numpy(truth[None, None].astype(np.float64)), generator)
    return Scene(truth.astype(np.float32), noise, data.numpy()[0, 0].astype(np.float32), **known)


def moffat() -> np.ndarray:
    """Return the image of a star, of sum 1."""
    from astropy.modeling.models import Moffat2D

    rows, columns = np.mgrid[-20:21, -20:21]
    gamma = FWHM / 2 / np.sqrt(2 ** (1 / WINGS) - 1)
    star = Moffat2D(1, 0, 0, gamma, WINGS)(columns, rows)
    return star / star.sum()


def gaussian(sigma: float) -> np.ndarray:
    """Return the image of a round spot, of sum 1."""
    rows, columns = np.mgrid[-20:21, -20:21]
    spot = np.exp(-(rows**2 + columns**2) / (2 * sigma**2))
    return spot / spot.sum()


def _places(random: np.random.Generator, side: int, number: int) -> np.ndarray:
    """Return places that are apart from each other, in random order."""
    cells = (side - APART) // APART
    chosen = random.permutation(cells * cells)[:number]
    corners = np.stack(np.divmod(chosen, cells), 1) * APART + APART
    return corners + random.integers(-2, 3, (len(chosen), 2))


def add(image: np.ndarray, shape: np.ndarray, place: np.ndarray, flux: float) -> None:
    """Add a source to an image; what lies beyond the border is lost."""
    half = shape.shape[0] // 2
    rows, columns = (slice(max(0, at - half), at + half + 1) for at in place)
    part = image[rows, columns]
    top, left = (max(0, half - at) for at in place)
    part += flux * shape[top : top + part.shape[0], left : left + part.shape[1]]


def _snr(shape: np.ndarray, flux: float, background: float, noise: NoiseModel) -> float:
    """Return the signal-to-noise ratio of a source that a matched filter reaches."""
    sigma = deviation(noise, background + flux * shape)
    return float(np.sqrt(np.sum(np.square(flux * shape / sigma))))


def _flux(shape: np.ndarray, snr: float, background: float, noise: NoiseModel) -> float:
    """Return the flux of a source with this signal-to-noise ratio."""
    low, high = 1e-3, 1e9
    for _ in range(60):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if _snr(shape, middle, background, noise) < snr else (low, middle)
    return float(np.sqrt(low * high))


def _scattered(
    truth: np.ndarray, shape: np.ndarray, snrs: np.ndarray, background: float, noise: NoiseModel, random
) -> Sources:
    """Add sources to an image, and return them."""
    places = _places(random, len(truth), len(snrs))
    snrs = snrs[: len(places)]
    flux = np.array([_flux(shape, snr, background, noise) for snr in snrs])
    for place, one in zip(places, flux, strict=True):
        add(truth, shape, place, one)
    return Sources(shape, places, flux, snrs)


_SKY = PoissonGaussianNoise(gain=1.0, offset=0.0, read_noise=3.0)


def sky(seed: int, side: int = 256, *, bright: bool = True, each: int = 15) -> Scene:
    """Stars of all classes, or of the faint ones alone, on a sky of 100 electrons with read noise of 3."""
    random = np.random.default_rng(seed)
    truth = np.full((side, side), 100.0)
    classes = CLASSES if bright else CLASSES[:3]
    snrs = [np.exp(random.uniform(np.log(low), np.log(high), each)) for low, high in classes]
    sources = _scattered(truth, moffat(), np.concatenate(snrs), 100.0, _SKY, random)
    return _finished(truth, _SKY, seed, sources=sources, levels={"background": 100.0})


def dense(seed: int, side: int = 256) -> Scene:
    """A crowded sky: 40 measured stars of 5 to 50 σ over a thousand others that nobody counts."""
    random = np.random.default_rng(seed)
    truth = np.full((side, side), 100.0)
    star = moffat()
    for _ in range(side * side // 64):
        add(truth, star, random.integers(0, side, 2), 50 * random.pareto(1.2))
    snrs = np.exp(random.uniform(np.log(5), np.log(50), 40))
    sources = _scattered(truth, star, snrs, 100.0, _SKY, random)
    return _finished(truth, _SKY, seed, sources=sources, levels={"background": 100.0})


def galaxies(seed: int, side: int = 256) -> Scene:
    """Sérsic galaxies of all brightnesses."""
    from astropy.modeling.models import Sersic2D
    from scipy.signal import fftconvolve

    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    truth = np.zeros((side, side))
    for _ in range(25 * side * side // 256**2):
        galaxy = Sersic2D(
            amplitude=np.exp(random.uniform(np.log(3), np.log(300))),
            r_eff=random.uniform(2, 12),
            n=random.uniform(0.8, 3),
            x_0=random.uniform(0, side),
            y_0=random.uniform(0, side),
            ellip=random.uniform(0, 0.7),
            theta=random.uniform(0, np.pi),
        )
        truth += np.minimum(galaxy(columns, rows), 20_000)
    truth = 100 + np.maximum(fftconvolve(truth, moffat(), "same"), 0)
    return _finished(truth, _SKY, seed, levels={"background": 100.0})


def empty(seed: int, side: int = 256) -> Scene:
    """A sky without any source."""
    return _finished(np.full((side, side), 100.0), _SKY, seed, levels={"background": 100.0})


def puncta(seed: int, side: int = 192, *, photons: float = 20.0) -> Scene:
    """Spots whose peaks have a tenth to twice as many photons, on a tenth of them; offset 100."""
    random = np.random.default_rng(seed)
    noise = PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=2.0)
    spot = gaussian(1.5)
    background = 100 + 2.0 * photons / 10
    truth = np.full((side, side), background)
    places = _places(random, side, 80)
    peaks = photons * random.uniform(0.1, 2, len(places))
    flux = 2.0 * peaks / spot.max()
    for place, one in zip(places, flux, strict=True):
        add(truth, spot, place, one)
    snr = np.array([_snr(spot, one, background, noise) for one in flux])
    sources = Sources(spot, places, flux, snr)
    return _finished(truth, noise, seed, sources=sources, levels={"background": background})


def filaments(seed: int, side: int = 192, *, photons: float = 20.0) -> Scene:
    """Filaments, the brightest of which have so many photons."""
    return _structure(seed, side, photons, "filaments")


def cells(seed: int, side: int = 192, *, photons: float = 20.0) -> Scene:
    """Cells, the brightest of which have so many photons."""
    return _structure(seed, side, photons, "blobs")


def _structure(seed: int, side: int, photons: float, kind: str) -> Scene:
    from scipy.ndimage import gaussian_filter

    from napari_dip.synthetic import images

    image = gaussian_filter(getattr(images, kind)(np.random.default_rng(seed), side), 0.8)
    image = (image - image.min()) / (np.quantile(image, 0.999) - image.min())
    noise = PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=2.0)
    return _finished(100 + 2 * photons * (0.05 + 0.95 * image), noise, seed)


def blob(seed: int, side: int = 128, *, snr: float = 7.0, sigma: float = 4.0) -> Scene:
    """One dim round blob in an image that is empty otherwise, under Gaussian noise of σ = 10."""
    noise = GaussianNoise(10.0)
    truth = np.full((side, side), 200.0)
    random = np.random.default_rng(seed)
    sources = _scattered(truth, gaussian(sigma), np.array([snr]), 200.0, noise, random)
    middle = Sources(sources.shape, sources.places, sources.flux, sources.snr)
    return _finished(truth, noise, seed, sources=middle, levels={"background": 200.0})


#: All scenes by name.
SCENES: dict[str, Callable[[int], Scene]] = {
    "sky": sky,
    "faint sky": lambda seed: sky(seed, bright=False),
    "dense sky": dense,
    "galaxies": galaxies,
    "empty": empty,
    **{f"puncta {n}": lambda seed, n=n: puncta(seed, photons=n) for n in (5, 20, 100)},
    **{f"filaments {n}": lambda seed, n=n: filaments(seed, photons=n) for n in (5, 20, 100)},
    **{f"cells {n}": lambda seed, n=n: cells(seed, photons=n) for n in (5, 20, 100)},
    "blob 7": lambda seed: blob(seed, snr=7.0),
    "blob 10": lambda seed: blob(seed, snr=10.0),
}

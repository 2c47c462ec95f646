"""Synthetic images to train on, drawn from random numbers alone."""

import numpy as np
from scipy.ndimage import gaussian_filter

Random = np.random.Generator
#: Share of each kind of image.
_SHARES = (0.4, 0.3, 0.1, 0.1, 0.1)


def synthetic_image(seed: int, index: int, side: int) -> np.ndarray:
    """Return a synthetic image with grey levels from about 0 to 255, shape ``(side, side)``.

    It shows dead leaves (Lee, Mumford and Huang, IJCV 41, 2001), whose edges, sizes and occlusions are like
    those of photographs; or textures; or filaments; or blobs; or points and smears of light.

    Parameters
    ----------
    seed, index : int
        Seed of a collection, and number of the image in it. The same two numbers give the same image.
    side : int
        Side of the image, in pixels.
    """
    random = np.random.default_rng([seed, index])
    make = _KINDS[random.choice(len(_KINDS), p=_SHARES)]
    image = gaussian_filter(make(random, side), random.uniform(0.2, 1.1))
    low, high = np.quantile(image, (0.01, 0.99))
    ends = np.sort(random.uniform(0, 255, 2))
    contrast = max(ends[1] - ends[0], 80)
    return (image - low) / max(high - low, 1e-6) * contrast + min(ends[0], 255 - contrast)


def dead_leaves(random: Random, side: int) -> np.ndarray:
    """Return overlapping leaves of all sizes, each with its own grey level, gradient and texture."""
    image = _cloud(random, side, 2.0)
    grains = [_grain(random, side) for _ in range(3)]
    smallest, largest = 2 * random.uniform(1, 6) ** random.uniform(0, 1), side * random.uniform(0.2, 0.6)
    # Radii with the density 1 / r³ make an image that looks the same at every scale.
    share = random.uniform(size=random.integers(150, 900))
    radii = (smallest**-2 + share * (largest**-2 - smallest**-2)) ** -0.5
    grain, stripes = random.uniform(0, 0.3), random.uniform(0, 0.5)
    for radius in radii:
        y, x, inside = _leaf(random, side, radius)
        if not inside.any():
            continue
        at = slice(y[0, 0], y[-1, 0] + 1), slice(x[0, 0], x[0, -1] + 1)
        slope = random.normal(0, 0.15, 2) / max(radius, 4)
        value = random.uniform() + slope[0] * (y - y.mean()) + slope[1] * (x - x.mean())
        value = value + grain * random.uniform() * grains[random.integers(3)][at]
        if random.uniform() < stripes:
            wave = random.normal(size=2)
            wave *= 2 * np.pi / (np.hypot(*wave) * random.uniform(2.5, 12))
            value = value + random.uniform(0.03, 0.25) * np.sin(wave[0] * y + wave[1] * x)
        image[at][inside] = value[inside]
    return image


def textures(random: Random, side: int) -> np.ndarray:
    """Return a few large leaves with different textures: bent stripes, fur and grain."""
    kinds = [_stripes, _fur, _grain]
    fields = [kinds[random.integers(3)](random, side) for _ in range(random.integers(2, 6))]
    image = random.uniform(0.1, 1) * fields[0]
    for radius in side * np.exp(random.uniform(-3, -1, random.integers(4, 40))):
        y, x, inside = _leaf(random, side, radius)
        if not inside.any():
            continue
        at = slice(y[0, 0], y[-1, 0] + 1), slice(x[0, 0], x[0, -1] + 1)
        value = random.normal(0, 1) + random.uniform(0, 1) * fields[random.integers(len(fields))][at]
        image[at][inside] = value[inside]
    return image + random.uniform(0, 1) * _cloud(random, side, 2.0)


def filaments(random: Random, side: int) -> np.ndarray:
    """Return bent filaments of one width on a faint background."""
    image = np.zeros((side, side))
    for _ in range(random.integers(8, 80)):
        steps = random.integers(side // 4, 3 * side)
        turn = np.cumsum(random.normal(0, random.uniform(0.005, 0.06), steps)) + random.uniform(0, 2 * np.pi)
        y = random.uniform(0, side) + np.cumsum(np.sin(turn)) / 2
        x = random.uniform(0, side) + np.cumsum(np.cos(turn)) / 2
        _scatter(image, y, x, np.full(steps, random.uniform(0.2, 1)))
    width = random.uniform(0.7, 2)
    image = gaussian_filter(image, width) * width
    return image + random.uniform(0, 0.5) * image.std() * _cloud(random, side, 2.0)


def blobs(random: Random, side: int) -> np.ndarray:
    """Return soft blobs with some texture, like nuclei, on a varying background."""
    image = random.uniform(0, 0.3) * _cloud(random, side, 2.0)
    texture = _cloud(random, side, random.uniform(0.5, 1.8))
    for _ in range(random.integers(5, 120)):
        radius = random.uniform(2, side / 10)
        y, x, inside = _leaf(random, side, radius, round_ones=True)
        if not inside.any():
            continue
        at = slice(y[0, 0], y[-1, 0] + 1), slice(x[0, 0], x[0, -1] + 1)
        body = gaussian_filter(inside.astype(float), min(random.uniform(0.5, 3), radius / 2))
        image[at] += random.uniform(0.1, 1) * body * (1 + random.uniform(0, 0.5) * texture[at])
    return image


def points(random: Random, side: int) -> np.ndarray:
    """Return blurred points of light, a few of them bright, and some smears, as in an image of stars."""
    image = np.zeros((side, side))
    count = int(random.integers(30, 1500))
    light = np.minimum(random.pareto(1.2, count) + 0.05, 60)
    _scatter(image, random.uniform(0, side, count), random.uniform(0, side, count), light)
    width = random.uniform(0.7, 1.8)
    image = 0.85 * gaussian_filter(image, width) + 0.15 * gaussian_filter(image, 3 * width)
    y, x = np.mgrid[:side, :side].astype(float)
    for _ in range(random.integers(0, 12)):
        centre, size, angle = (
            random.uniform(0, side, 2),
            random.uniform(2, side / 12),
            random.uniform(0, np.pi),
        )
        u = (y - centre[0]) * np.cos(angle) + (x - centre[1]) * np.sin(angle)
        v = (x - centre[1]) * np.cos(angle) - (y - centre[0]) * np.sin(angle)
        image += random.uniform(0.05, 1) * np.exp(-np.hypot(u, v / random.uniform(0.3, 1)) / size)
    bright = np.quantile(image, 0.999)
    return np.arcsinh(image / bright * random.uniform(0.5, 20))


def _leaf(
    random: Random, side: int, radius: float, *, round_ones: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows and columns of a box around an ellipse or rectangle, and where its inside is."""
    centre, angle = random.uniform(-radius / 2, side + radius / 2, 2), random.uniform(0, np.pi)
    stretch = np.exp(random.uniform(-0.5, 0.5))
    box = radius * max(stretch, 1 / stretch) * 1.5
    ends = [np.clip([int(c - box), int(c + box) + 1], 0, side) for c in centre]
    y, x = np.mgrid[slice(*ends[0]), slice(*ends[1])]
    u = ((y - centre[0]) * np.cos(angle) + (x - centre[1]) * np.sin(angle)) / (radius * stretch)
    v = ((x - centre[1]) * np.cos(angle) - (y - centre[0]) * np.sin(angle)) * stretch / radius
    if round_ones or random.uniform() < 0.6:
        return y, x, u**2 + v**2 <= 1
    return y, x, np.maximum(np.abs(u), np.abs(v)) <= 0.9


def _stripes(random: Random, side: int) -> np.ndarray:
    """Return stripes of one period, straight or bent, soft or sharp, with variance 1."""
    y, x = np.mgrid[:side, :side]
    angle, period = random.uniform(0, np.pi), 2.5 * 6 ** random.uniform(0, 1)
    bend = random.uniform(0, 2.5) * period * _cloud(random, side, 2.0)
    wave = np.sin(2 * np.pi / period * (np.cos(angle) * y + np.sin(angle) * x + bend))
    wave = np.tanh(random.uniform(0.3, 3) * wave)
    return wave / wave.std()


def _fur(random: Random, side: int) -> np.ndarray:
    """Return noise that is correlated along one direction, with variance 1."""
    angle = random.uniform(0, np.pi)
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)
    along, across = np.cos(angle) * fy + np.sin(angle) * fx, np.cos(angle) * fx - np.sin(angle) * fy
    length, width = 2 * np.pi * random.uniform(2, 12), 2 * np.pi * random.uniform(0.4, 1.5)
    transfer = np.exp(-0.5 * ((length * along) ** 2 + (width * across) ** 2))
    fur = np.fft.irfft2(np.fft.rfft2(random.normal(size=(side, side))) * transfer, (side, side))
    return fur / fur.std()


def _grain(random: Random, side: int) -> np.ndarray:
    """Return isotropic noise, fine or coarse, with variance 1."""
    return _cloud(random, side, random.uniform(0.3, 1.8))


def _cloud(random: Random, side: int, power: float) -> np.ndarray:
    """Return noise with mean 0, variance 1 and an amplitude proportional to 1 / frequency^power."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(random.normal(size=(side, side))) / frequency**power
    spectrum[0, 0] = 0
    cloud = np.fft.irfft2(spectrum, (side, side))
    return cloud / cloud.std()


def _scatter(image: np.ndarray, y: np.ndarray, x: np.ndarray, light: np.ndarray) -> None:
    """Add light at positions between pixels, shared among the four pixels around each."""
    rows, columns = np.floor(y).astype(int), np.floor(x).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            part = light * np.abs(1 - dy - (y - rows)) * np.abs(1 - dx - (x - columns))
            inside = (
                (rows + dy >= 0)
                & (rows + dy < image.shape[0])
                & (columns + dx >= 0)
                & (columns + dx < image.shape[1])
            )
            np.add.at(image, (rows[inside] + dy, columns[inside] + dx), part[inside])


_KINDS = (dead_leaves, textures, filaments, blobs, points)

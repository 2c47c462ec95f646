import numpy as np
import pytest
import torch

from napari_dip import GaussianNoise, PoissonGaussianNoise, PoissonNoise, UnknownNoise
from napari_dip.diagnostics.sources import kernel
from napari_dip.filters.faint_sources import _common_losses, faint_sources
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem
from napari_dip.steps import finished

SIDE = 96
#: Places of sources.
GRID = [(row, column) for row in range(16, 81, 16) for column in range(16, 81, 16)]


def found(data, x, noise, weights=None):
    """Return what is put back, and the number of sources."""
    data, x = (torch.as_tensor(np.asarray(image, np.float32))[None, None] for image in (data, x))
    weights = torch.ones_like(data) if weights is None else torch.as_tensor(weights)[None, None].float()
    sources = finished(faint_sources(Problem(data, Identity(), noise, weights), x))
    return sources.image[0, 0].numpy(), sources.count


def field(flux, width=1.5, level=100.0):
    """Return an image with a source at every place of the grid."""
    image, spot = np.full((SIDE, SIDE), level), kernel(width, 2)
    reach = len(spot) // 2
    for row, column in GRID:
        image[row - reach : row + reach + 1, column - reach : column + reach + 1] += flux * spot
    return image


def fluxes(image, width=1.5):
    """Return the flux at every place of the grid, by a least-squares fit of the true shape."""
    spot = kernel(width, 2)
    reach, above = len(spot) // 2, spot - spot.mean()
    return (
        np.array(
            [
                (above * image[row - reach : row + reach + 1, column - reach : column + reach + 1]).sum()
                for row, column in GRID
            ]
        )
        / (above * spot).sum()
    )


@pytest.mark.parametrize("noise", [GaussianNoise(10.0), UnknownNoise()], ids=["told", "unknown"])
@pytest.mark.parametrize("sign", [1, -1], ids=["bright", "dark"])
def test_sources_that_are_absent_come_back(noise, sign, random):
    truth = field(sign * 450)
    data = random.normal(truth, 10)
    part, count = found(data, np.full_like(truth, 100.0), noise)
    assert count == pytest.approx(len(GRID), abs=5)
    assert fluxes(part).mean() == pytest.approx(fluxes(data).mean(), rel=0.06)
    assert np.square(part + 100 - truth).mean() < 0.4 * np.square(100 - truth).mean()


@pytest.mark.parametrize("kept", [0.2, 0.6])
def test_amplitudes_near_the_threshold_are_not_biased(kept, random):
    """On average over all true sources of 8 standard errors, also over those that are not found."""
    flux = 8 * 10 / np.sqrt((kernel(1.5, 2) ** 2).sum())
    answer, measured = field(kept * flux), []
    for _ in range(6):
        data = random.normal(field(flux), 10)
        measured.append(fluxes(answer + found(data, answer, GaussianNoise(10.0))[0]).mean())
    assert np.mean(measured) == pytest.approx(flux, rel=0.1)


def test_a_wide_dim_blob_comes_back(random):
    blob, truth = kernel(4.5, 2), np.full((SIDE, SIDE), 50.0)
    reach = len(blob) // 2
    truth[48 - reach : 48 + reach + 1, 48 - reach : 48 + reach + 1] += blob * 90 / np.sqrt((blob**2).sum())
    part, _ = found(random.normal(truth, 10), np.full_like(truth, 50.0), GaussianNoise(10.0))
    assert part.sum() == pytest.approx((truth - 50).sum(), rel=0.3)


NOISES = {
    "gaussian": (GaussianNoise(10.0), 100.0),
    "unknown": (UnknownNoise(), 100.0),
    "photons": (PoissonNoise(), 2.0),
    "few photons": (PoissonNoise(gain=3.0, offset=100.0), 100.6),
    "camera": (PoissonGaussianNoise(gain=2.0, offset=100.0, read_noise=3.0), 120.0),
}


@pytest.mark.parametrize("name", NOISES)
def test_blank_fields_get_nothing(name):
    noise, level = NOISES[name]
    drawn = GaussianNoise(10.0) if isinstance(noise, UnknownNoise) else noise
    blank = np.full((64, 64), level)
    seeds = (torch.Generator().manual_seed(seed) for seed in range(20))
    counts = [found(drawn.sample(torch.from_numpy(blank), one).numpy(), blank, noise)[1] for one in seeds]
    assert sum(count > 0 for count in counts) <= 1


def test_what_is_right_is_left_alone(random):
    truth = field(2000)
    part, _ = found(random.normal(truth, 10), truth, GaussianNoise(10.0))
    assert np.square(part).mean() < 0.02 * 10**2


@pytest.mark.parametrize("noise", [GaussianNoise(10.0), UnknownNoise()], ids=["told", "unknown"])
def test_hot_pixels_and_tracks_of_cosmic_rays_stay_out(noise, random):
    blank = np.full((SIDE, SIDE), 100.0)
    data = random.normal(blank, 10)
    data[random.integers(5, 91, 20), random.integers(5, 91, 20)] += 400
    data[50, 20:32] += 300  # a track along a row, and one along a diagonal
    data[np.arange(60, 72), np.arange(60, 72)] += 300
    part, count = found(data, blank, noise)
    assert count <= 1
    assert np.abs(part).max() < 30


def test_missing_pixels_have_no_influence(random):
    truth = field(450)
    seen = random.random(truth.shape) > 0.15
    data = random.normal(truth, 10)
    one, other = (
        found(np.where(seen, data, hidden), np.full_like(truth, 100.0), GaussianNoise(10.0), seen)[0]
        for hidden in (0.0, 1e4)
    )
    np.testing.assert_array_equal(one, other)
    assert fluxes(one).mean() == pytest.approx(450, rel=0.15)


def test_the_noise_of_each_pixel_counts(random):
    """What is a source in quiet pixels is noise in others."""
    sigma = np.where(np.arange(SIDE) < SIDE // 2, 5.0, 50.0) * np.ones((SIDE, 1))
    data = random.normal(field(300), sigma)
    noise = PerPixelNoise(torch.from_numpy(sigma.astype(np.float32))[None, None])
    part, _ = found(data, np.full_like(data, 100.0), noise)
    flux, column = fluxes(part), np.array(GRID)[:, 1]
    assert flux[column < 40].mean() == pytest.approx(300, rel=0.15)
    assert np.abs(flux[column > 56]).mean() < 30


@pytest.mark.parametrize(("scale", "offset"), [(4.0, 1024.0), (0.25, -50.0)])
def test_a_factor_and_a_constant_change_nothing_else(scale, offset, random):
    data, x = random.normal(field(450), 10), np.full((SIDE, SIDE), 100.0)
    one, count = found(data, x, UnknownNoise())
    other, same = found(scale * data + offset, scale * x + offset, UnknownNoise())
    assert count == same
    np.testing.assert_allclose(other, scale * one, atol=1e-3 * scale)


def test_no_flux_is_extrapolated_from_the_rim_of_pixels_that_are_hardly_observed(random):
    sigma = np.ones((SIDE, SIDE))
    sigma[40:46] = 1000
    data, x = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    data[36:40] = 30  # a residual beside them
    noise = PerPixelNoise(torch.from_numpy(sigma.astype(np.float32))[None, None])
    part, _ = found(random.normal(data, 1), x, noise)
    assert np.abs(part).max() < 60


@pytest.mark.parametrize("snr", [10, 16, 40])
def test_a_loss_that_all_points_have_in_common_is_put_back(snr, random):
    """Each has lost 0.9 standard errors, which none of them shows by itself."""
    error = 10 / np.sqrt((kernel(1.5, 2) ** 2).sum())
    answer, measured = field((snr - 0.9) * error), []
    for _ in range(6):
        data = random.normal(field(snr * error), 10)
        measured.append(fluxes(answer + found(data, answer, GaussianNoise(10.0))[0]).mean() / error)
    assert np.mean(measured) == pytest.approx(snr, abs=0.4)


def test_points_that_are_right_keep_their_fluxes(random):
    error = 10 / np.sqrt((kernel(1.5, 2) ** 2).sum())
    truth, parts = field(15 * error), []
    for _ in range(6):
        parts.append(fluxes(found(random.normal(truth, 10), truth, GaussianNoise(10.0))[0]).mean() / error)
    assert abs(np.mean(parts)) < 0.15


def test_only_points_have_a_loss_in_common():
    """The peaks of a texture are wide for the most part."""
    in_data, in_residual = np.full(40, 15.0), np.full(40, 1.0)
    points = np.arange(40) < 36
    assert _common_losses(in_data, in_residual, points) == pytest.approx(0.9)
    assert _common_losses(-in_data, -in_residual, points) == pytest.approx(-0.9)
    assert not _common_losses(in_data, in_residual, np.roll(points, 3) & (np.arange(40) % 2 > 0)).any()
    assert not _common_losses(in_data, np.resize([1.0, -1.0], 40), points).any()
    assert not _common_losses(in_data[:6], in_residual[:6], points[:6]).any()

"""A measured point spread function moves no star, whatever its shape, its axes and its centre."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import torch

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    FineTune,
    GaussianNoise,
    Hourglass,
    MeasuredPSF,
    Measurement,
    RichardsonLucy,
    SuperResolve,
    Wiener,
    residual,
    restore,
)
from napari_dip.errors import InputError
from napari_dip.restoration.series import Series

TASK = Deconvolve(GaussianNoise(1.0))
LEARNT = DIP(
    iterations=250,
    stopping="max-iterations",
    ensemble_size=1,
    precision="float32",
    network=Hourglass(widths=(16, 16), skips=(4, 4)),
)
UNCHANGED = FineTune.of(torch.nn.Identity(), action="back-projection")
QUICK = {"Richardson-Lucy": RichardsonLucy(20), "Wiener": Wiener(balance=0.01), "back-projection": UNCHANGED}


def spot(shape, centre, sigmas):
    """Return a Gaussian of height 1."""
    at = np.indices(shape)
    return np.exp(-sum(((x - c) / s) ** 2 / 2 for x, c, s in zip(at, centre, sigmas, strict=True)))


def asymmetric(shape, centre, sigmas):
    """Return two Gaussians whose common centroid is the centre."""
    apart = np.array([1.5, -1.0, 0.8][: len(shape)])
    parts = [spot(shape, centre - apart / 4, sigmas), spot(shape, centre + 3 / 4 * apart, sigmas)]
    return parts[0] + parts[1] / 3


def centroid(image):
    return np.array([(at * image).sum() for at in np.indices(image.shape)]) / image.sum()


def near(image, star, radius=9):
    distance = np.sqrt(sum((at - c) ** 2 for at, c in zip(np.indices(image.shape), star, strict=True)))
    return np.where(distance < radius, np.asarray(image, float), 0)


def check_star(method, size, centre, star, shape, sigmas, profile, apart=0.05, noise=0.0):
    """Restore a star, and compare its centroid and its flux with those of the truth."""
    psf = 700 * profile(size, np.array(centre), sigmas)
    data = 1000 * profile(shape, np.array(star), sigmas)
    flux = data.sum()
    data = data + np.random.default_rng(1).normal(0, noise, shape)
    found = near(restore(data, TASK, method, psf=psf, axes="ZYX"[-len(shape) :]), star)
    np.testing.assert_allclose(centroid(found), star, atol=apart)
    assert found.sum() == pytest.approx(flux, rel=0.08)


@pytest.mark.parametrize("profile", [spot, asymmetric])
@pytest.mark.parametrize("method", QUICK.values(), ids=QUICK)
@pytest.mark.parametrize("seed", range(3))
def test_a_star_stays_where_it_is(method, profile, seed):
    random = np.random.default_rng(seed)
    size = random.integers(17, 25, 2)
    centre, star = size / 2 - random.uniform(0, 1, 2), random.uniform(19.5, 22.5, 2)
    exact = method is not UNCHANGED  # its few steps of conjugate gradients leave some of the blur
    check_star(method, size, centre, star, (40, 45), (1.5, 1.2), profile, apart=0.05 if exact else 0.15)


@pytest.mark.parametrize("profile", [spot, asymmetric])
@pytest.mark.parametrize(
    "method", [RichardsonLucy(10), Wiener(balance=0.01)], ids=["Richardson-Lucy", "Wiener"]
)
@pytest.mark.parametrize(("size", "centre"), [((9, 14, 14), (4.4, 6.5, 6.8)), ((10, 13, 16), (4.5, 6, 7.3))])
def test_a_star_in_a_volume_stays_where_it_is(method, profile, size, centre):
    check_star(method, size, centre, (8.6, 12.3, 11.5), (18, 24, 24), (1.2, 1.3, 1.3), profile)


def test_deep_image_prior_leaves_a_star_where_it_is():
    check_star(LEARNT, (20, 21), (9.5, 10.2), (20.3, 21.7), (40, 44), (2.0, 1.8), spot, apart=0.1, noise=1.0)


def test_a_kernel_network_does_not_depend_on_where_the_centre_lies():
    data = 1000 * spot((40, 44), (20.3, 21.7), (1.5, 1.5)) + np.random.default_rng(0).normal(0, 1, (40, 44))
    images = [
        np.asarray(restore(data, TASK, PKN(), psf=spot(size, centre, (1.5, 1.5))))
        for size, centre in (((21, 21), (10, 10)), ((20, 20), (9.5, 9.5)), ((19, 24), (8.3, 12.6)))
    ]
    for image in images[1:]:
        np.testing.assert_allclose(image, images[0], atol=0.01 * images[0].max())


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize(("size", "centre"), [((15, 15), (7, 7)), ((14, 16), (6.5, 7.7))])
def test_a_point_appears_where_it_is_on_any_grid(factor, size, centre, random):
    psf = MeasuredPSF()
    task = Deconvolve(psf=psf) if factor == 1 else SuperResolve(factor=factor, downsampling="area", psf=psf)
    bead = asymmetric(size, np.array(centre), (1.3, 1.6))
    operator = Series.of(Measurement(random.random((30, 32)), psf=bead), task, None).operator
    grid = operator.grid((30, 32))
    x = torch.zeros(1, 1, *grid.shape)
    at = tuple(n // 2 + 1 for n in grid.shape)
    x[(0, 0, *at)] = 1.0
    place = [start + step * n for start, step, n in zip(grid.origin, grid.step, at, strict=True)]
    np.testing.assert_allclose(centroid(operator(x)[0, 0].double().numpy()), place, atol=0.03)


# Which axes it has.

SHAPES = [
    ((16, 18), "YX", (5, 5), (5, 5)),
    ((16, 18), "YX", (1, 1, 5, 5), (5, 5)),
    ((16, 18), "YX", (5, 5, 1), (5, 5)),
    ((16, 18, 1), "YXC", (5, 5, 1), (5, 5)),
    ((1, 16, 18), "CYX", (1, 5, 5), (5, 5)),
    ((1, 16, 18), "ZYX", (1, 5, 5), (1, 5, 5)),
    ((6, 16, 18), "TYX", (5, 5), (5, 5)),
    ((6, 16, 18), "ZYX", (3, 5, 5), (3, 5, 5)),
    ((6, 16, 18), "ZYX", (5, 5), (1, 5, 5)),
    ((6, 16, 18), "ZYX", (1, 5, 5), (1, 5, 5)),
    ((2, 16, 18), "CYX", (5, 5), (5, 5)),
    ((2, 16, 18), "CYX", (2, 5, 5), (2, 5, 5)),
    ((16, 18, 3), "YXC", (3, 5, 5), (3, 5, 5)),
    ((16, 18, 3), "YXC", (5, 5, 3), (3, 5, 5)),
    ((2, 6, 16, 18), "CZYX", (3, 5, 5), (3, 5, 5)),
    ((2, 6, 16, 18), "CZYX", (2, 3, 5, 5), (2, 3, 5, 5)),
]


@pytest.mark.parametrize(("shape", "axes", "size", "kernel"), SHAPES)
def test_the_operator_has_the_axes_of_the_image(shape, axes, size, kernel, random):
    psf = np.ones(size)
    series = Series.of(Measurement(random.random(shape), axes=axes, psf=psf), Deconvolve(), None)
    assert tuple(series.operator.psf.shape) == kernel
    assert series.operator.per_channel == (len(kernel) > len(series.axes.spatial))


@pytest.mark.parametrize(
    ("shape", "axes", "size", "message"),
    [
        ((3, 16, 18), "CYX", (2, 5, 5), "a kernel for each of the image's 3 channels"),
        ((16, 18, 2), "YXC", (5, 5, 3), "a kernel for each of the image's 2 channels"),
        ((3, 16, 18), "TYX", (3, 5, 5), "but the image has no channels"),
        ((3, 16, 18), "TYX", (5,), "must have 2 axes"),
        ((2, 6, 16, 18), "CZYX", (3, 3, 5, 5), "a kernel for each of the image's 2 channels"),
        ((6, 16, 18), "ZYX", (5,), "must have 3 axes"),
    ],
)
def test_other_axes_are_refused_in_words(shape, axes, size, message, random):
    with pytest.raises(InputError, match=message) as error:
        Series.of(Measurement(random.random(shape), axes=axes, psf=np.ones(size)), Deconvolve(), None)
    assert error.value.argument == "psf"


def test_a_method_for_planes_takes_the_psf_of_a_plane(random):
    stack = random.normal(100, 5, (3, 24, 24))
    plane = spot((9, 9), (4, 4), (1, 1))
    whole = restore(stack, TASK, PKN(), psf=plane, axes="ZYX").image
    np.testing.assert_array_equal(whole, restore(stack, TASK, PKN(), psf=plane[None], axes="ZYX").image)
    for at, one in enumerate(whole):
        np.testing.assert_array_equal(one, restore(stack[at], TASK, PKN(), psf=plane).image)
    with pytest.raises(InputError, match="restores planes one after another"):
        restore(stack, TASK, PKN(), psf=np.stack([plane] * 3), axes="ZYX")


COLOURED = np.stack([spot((13, 13), (6, 6), (1.5, 1)), spot((13, 13), (6, 6), (0.7, 0.7))])


@pytest.mark.parametrize("method", [*QUICK.values(), replace(LEARNT, iterations=5)], ids=[*QUICK, "DIP"])
@pytest.mark.parametrize("channels", ["together", "separate"])
def test_each_channel_is_blurred_by_its_own_kernel(method, channels, random):
    image = random.normal(100, 5, (2, 24, 26))
    known = {"axes": "CYX", "channels": channels}
    found = restore(image, TASK, method, psf=COLOURED, **known).image
    assert found.shape == image.shape
    if channels == "separate" or method in (QUICK["Richardson-Lucy"], QUICK["Wiener"]):
        for at in range(2):
            alone = restore(image[at], TASK, method, psf=COLOURED[at]).image
            np.testing.assert_allclose(np.asarray(found[at]), alone, atol=0.05)
    left = residual(Measurement(image, psf=COLOURED, **known), found, replace(TASK, psf=MeasuredPSF()))
    for at in range(2):
        one = Measurement(image[at], psf=COLOURED[at])
        np.testing.assert_allclose(
            left[at], residual(one, found[at], replace(TASK, psf=MeasuredPSF())), atol=1e-3
        )


def test_a_kernel_network_takes_channels_with_their_own_blur_one_by_one(random):
    image = random.normal(100, 5, (2, 24, 26))
    with pytest.raises(InputError, match='choose channels="separate"'):
        restore(image, TASK, PKN(), psf=COLOURED, axes="CYX")
    found = restore(image, TASK, PKN(), psf=COLOURED, axes="CYX", channels="separate").image
    for at in range(2):
        np.testing.assert_array_equal(found[at], restore(image[at], TASK, PKN(), psf=COLOURED[at]).image)


def test_super_resolution_takes_a_kernel_for_each_channel(random):
    task = SuperResolve(GaussianNoise(5.0), psf=MeasuredPSF())
    series = Series.of(Measurement(random.random((2, 16, 16)), axes="CYX", psf=COLOURED), task, None)
    operator = series.operator
    x = torch.rand(1, 2, *operator.grid((16, 16)).shape)
    both = operator(x)
    for at in range(2):
        torch.testing.assert_close(both[:, at], operator.of_channels([at])(x[:, at : at + 1])[:, 0])


# What people bring.


@pytest.mark.parametrize("convert", [da.from_array, torch.from_numpy, np.ndarray.tolist, np.ma.asarray])
def test_a_psf_may_come_in_any_container(convert, random):
    image, psf = random.normal(100, 5, (24, 24)), spot((8, 9), (3.6, 4.2), (1, 1))
    expected = restore(image, TASK, RichardsonLucy(3), psf=psf).image
    found = restore(image, TASK, RichardsonLucy(3), psf=convert(psf)).image
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.filterwarnings("ignore:the point spread function has a background")
def test_a_subtracted_background_does_not_inflate_the_flux():
    psf = spot((21, 21), (10, 10), (2, 2)) + 0.1
    data = 1000 * spot((48, 48), (24, 24), (2, 2))
    kept, subtracted = (
        restore(data, Deconvolve(psf=MeasuredPSF(background)), Wiener(balance=0.01), psf=psf).image
        for background in ("keep", "subtract")
    )
    assert near(subtracted, (24, 24)).sum() == pytest.approx(data.sum(), rel=0.1)
    assert np.max(kept) > 1.5 * np.max(subtracted)

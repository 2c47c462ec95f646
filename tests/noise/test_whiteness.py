"""Noise of known correlation, on photographs and micrographs that come with scikit-image."""

import io
from functools import cache

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter, rotate, shift

from napari_dip.noise.whiteness import whiteness

#: Those whose structure comes closest to correlated noise, or hides it best.
IMAGES = ["astronaut", "grass", "immunohistochemistry"]


@cache
def clean(name):
    image = getattr(skimage.data, name)().astype(np.float32)
    image = np.moveaxis(image.reshape(*image.shape[:2], -1), -1, 0)  # (C, H, W)
    top, left = ((size - 256) // 2 for size in image.shape[1:])
    return image[:, top : top + 256, left : left + 256]


def noise(shape, blur=0.0):
    drawn = np.random.default_rng(7).standard_normal(shape)
    if blur:
        drawn = gaussian_filter(drawn, (0, blur, blur))
    return drawn / drawn.std()


def clipped(image):
    return image.round().clip(0, 255)


def photons(image, peak):
    return np.random.default_rng(7).poisson(image / 255 * peak) * 255 / peak


def with_hot_pixels(image):
    image = image + 5 * noise(image.shape)
    image[:, np.random.default_rng(8).random(image.shape[1:]) < 0.05] = 255
    return image


def with_salt_and_pepper(image):
    return np.select([(drawn := noise(image.shape)) > 1.64, drawn < -1.64], [255, 0], image)


def compressed(image, quality):
    picture = Image.fromarray(np.moveaxis(clipped(image).astype(np.uint8), 0, -1).squeeze())
    picture.save(file := io.BytesIO(), "JPEG", quality=quality)
    image = np.asarray(Image.open(file))
    return np.moveaxis(image.reshape(*image.shape[:2], -1), -1, 0)


def pink(count):
    spectrum = np.fft.rfft(np.random.default_rng(4).standard_normal(count))
    drawn = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** 0.5, count)
    return drawn / drawn.std()


def resampled(image, change):
    return np.stack([change(channel + 20 * noise(image.shape)[0]) for channel in image])


def upsampled(image, method):
    small = (image + 20 * noise(image.shape))[:, ::2, ::2].astype(np.float32)
    return np.stack([Image.fromarray(channel).resize((256, 256), method) for channel in small])


def demosaicked(image):
    y = image + 10 * noise(image.shape)
    red, green, blue = (np.zeros((256, 256)) for _ in range(3))
    red[::2, ::2] = green[::2, 1::2] = green[1::2, ::2] = blue[1::2, 1::2] = 1
    corner = np.outer([1, 2, 1], [1, 2, 1]) / 4
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    filters = zip((red, green, blue), (corner, cross, corner), strict=True)
    return np.stack([convolve(y[c % len(y)] * mask, filter_) for c, (mask, filter_) in enumerate(filters)])


WHITE = {
    "sigma 5": lambda x: x + 5 * noise(x.shape),
    "sigma 20": lambda x: x + 20 * noise(x.shape),
    "sigma 10 in 8 bits": lambda x: clipped(x + 10 * noise(x.shape)),
    "sigma 50 in 8 bits": lambda x: clipped(x + 50 * noise(x.shape)),
    "5 photons": lambda x: photons(x, 5),
    "100 photons": lambda x: photons(x, 100),
    "hot pixels": with_hot_pixels,
    "salt and pepper": with_salt_and_pepper,
}
CORRELATED = {
    "blurred by 0.7": lambda x: x + 20 * noise(x.shape, 0.7),
    "half a pixel, linear": lambda x: resampled(x, lambda y: shift(y, 0.5, order=1, mode="nearest")),
    "turned by 7 degrees, spline": lambda x: resampled(
        x, lambda y: rotate(y, 7, reshape=False)[32:-32, 32:-32]
    ),
    "blurred by 1.5": lambda x: x + 20 * noise(x.shape, 1.5),
    "blurred by 1 in 8 bits": lambda x: clipped(x + 20 * noise(x.shape, 1)),
    "quality 30": lambda x: compressed(x, 30),
    "noise of quality 40": lambda x: compressed(x + 20 * noise(x.shape), 40),
    "bilinear": lambda x: upsampled(x, Image.Resampling.BILINEAR),
    "nearest": lambda x: upsampled(x, Image.Resampling.NEAREST),
    "demosaicked, in 8 bits": lambda x: clipped(demosaicked(x)),
}
STRIPED = {
    "rows": lambda x: x + 15 * noise(x.shape) + 5 * np.random.default_rng(3).normal(size=(1, 256, 1)),
    "1/f readout": lambda x: x + 15 * noise(x.shape) + 10 * pink(x.size).reshape(x.shape),
}


def measured(image, weights=None):
    data = torch.tensor(np.array(image, dtype=np.float32))[None]
    return whiteness(data, torch.ones_like(data[:, :1]) if weights is None else weights)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("made", WHITE.values(), ids=WHITE)
def test_independent_noise_is_white(name, made):
    assert measured(made(clean(name))).white


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("made", CORRELATED.values(), ids=CORRELATED)
def test_correlated_noise_is_not_white(name, made):
    assert not measured(made(clean(name))).white


@pytest.mark.parametrize("made", STRIPED.values(), ids=STRIPED)
@pytest.mark.parametrize("name", ["camera", "coins", "cell"])
def test_stripes_are_found_along_their_own_axis(name, made):
    image = made(clean(name))
    along, across = measured(image), measured(image.transpose(0, 2, 1))
    assert along.rows > 0
    assert along.columns == 0
    assert not along.white
    assert (across.columns, across.rows) == pytest.approx((along.rows, 0), rel=1e-4)


def test_the_strength_of_stripes_is_measured():
    offsets = np.random.default_rng(3).normal(0, 6, (1, 256, 1))
    assert measured(clean("camera") + offsets + 15 * noise((1, 256, 256))).rows == pytest.approx(6, rel=0.25)


@pytest.mark.parametrize("scene", ["checkerboard", "grid"])
@pytest.mark.parametrize("sigma", [5, 15, 40])
def test_lines_and_squares_along_the_axes_are_structure(scene, sigma):
    rows, columns = np.mgrid[:256, :256] // (20 if scene == "checkerboard" else 1)
    if scene == "checkerboard":
        image = 60 + 120.0 * ((rows + columns) % 2)
    else:
        image = 60 + 120.0 * ((rows % 16 == 0) | (columns % 16 < 2))
    assert measured(image[None] + sigma * noise((1, 256, 256))).white


def test_weak_compression_is_found_but_leaves_the_noise_independent():
    found = measured(compressed(clean("camera") + 15 * noise((1, 256, 256)), 90))
    assert found.compressed
    assert not found.smooth


def test_the_luminance_of_a_compressed_colour_image_is_looked_at():
    image = np.concatenate([clean("astronaut") + 10 * noise((3, 256, 256))])
    assert measured(compressed(image, 85)).compressed
    assert not measured(clipped(image)).compressed


def test_the_findings_are_put_into_words():
    assert measured(clean("cell") + 15 * noise((1, 256, 256))).in_words == "independent from pixel to pixel"
    stripes = 10 * np.random.default_rng(3).normal(size=(1, 256, 1))
    striped = clean("cell") + stripes + 15 * noise((1, 256, 256), 1)
    assert measured(striped).in_words == "correlated between neighbouring pixels and striped along rows"


def test_without_structure_the_decline_is_1_and_sigma_slightly_low():
    found = measured(100 + 5 * noise((2, 512, 512)) * np.array([1, 3]).reshape(2, 1, 1))
    assert found.decline == pytest.approx(1, abs=0.1)
    assert found.variance.shape == (1, 2, 1, 1)
    assert found.variance.sqrt().flatten().tolist() == pytest.approx([4.6, 13.8], rel=0.05)


@pytest.mark.parametrize("name", ["camera", "coins", "cell", "immunohistochemistry"])
@pytest.mark.parametrize("blur", [0.7, 1.0])
def test_the_strength_of_correlated_noise_is_measured(name, blur):
    variance = measured(clean(name) + 20 * noise(clean(name).shape, blur)).variance
    assert float(variance.mean().sqrt()) == pytest.approx(20, rel=0.25)


@pytest.mark.parametrize("made", [WHITE["sigma 20"], CORRELATED["blurred by 1.5"]], ids=["white", "blurred"])
def test_grey_levels_may_have_any_unit(made):
    image = made(clean("camera"))
    once, scaled = measured(image), measured(300 + image / 1024)
    assert scaled.in_words == once.in_words
    assert scaled.decline == pytest.approx(once.decline, rel=0.05)
    assert float(scaled.variance) * 1024**2 == pytest.approx(float(once.variance), rel=0.05)


@pytest.mark.parametrize(("blur", "white"), [(0.0, True), (1.0, False)])
def test_planes_of_a_volume_are_measured(blur, white):
    volume = clean("camera")[:, None] + 20 * noise((9, 256, 256), blur)
    found = measured(volume)
    assert found.white is white
    assert found.variance.shape == (1, 1, 1, 1, 1)


def test_missing_pixels_do_not_count():
    image = clean("camera") + 20 * noise((1, 256, 256), 1)
    weights = (torch.rand(1, 1, 256, 256, generator=torch.Generator().manual_seed(0)) > 0.02).float()
    weights[..., 40:80, :] = 0
    spoilt = np.where(weights[0].bool(), image, 0)
    found = measured(spoilt, weights)
    assert found.decline == pytest.approx(measured(image).decline, rel=0.5)
    assert not found.white


def test_a_channel_without_pixels_is_taken_to_have_the_noise_of_the_others():
    image = np.concatenate([clean("camera") + 20 * noise((1, 256, 256), 1)] * 2)
    weights = torch.ones(1, 2, 256, 256)
    weights[:, 1] = 0
    assert not measured(image, weights).white


@pytest.mark.parametrize(
    ("image", "weights"),
    [
        (np.zeros((1, 64, 64)), None),
        (np.eye(7)[None], None),
        (np.eye(3)[None, None], None),
        (noise((1, 128, 128), 1), (torch.arange(128) % 2).expand(1, 1, 128, 128)),
        (noise((1, 64, 64), 1), torch.zeros(1, 1, 64, 64)),
    ],
    ids=["constant", "small", "thin", "every other pixel missing", "all missing"],
)
def test_noise_that_can_not_be_measured_counts_as_white(image, weights):
    found = measured(image, weights)
    assert np.isnan(found.decline)
    assert found.variance.isnan().all()
    assert found.white


def test_the_data_are_not_modified():
    image = torch.tensor(clean("camera"))[None]
    before = image.clone()
    whiteness(image, torch.ones_like(image))
    assert torch.equal(image, before)

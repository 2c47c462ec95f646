import numpy as np
import pytest
import torch
from scipy.ndimage import fourier_shift, gaussian_filter

from napari_dip.image.registration import Drift


def scene(shape, seed=3):
    """Return structure of grey levels 0 to 255 that fills the whole image."""
    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2, mode="wrap")
    return 255 * (image - image.min()) / np.ptp(image)


def shifts(frames, weights=None, noise=10.0):
    """Return the measured shift of each frame. Frames are arrays with channels first."""
    random, drift, found = np.random.default_rng(5), Drift(), []
    for frame in frames:
        noisy = frame + random.normal(0, noise, frame.shape)
        data = torch.from_numpy(noisy.astype(np.float32))[None]
        found.append(drift.next(data, torch.ones_like(data[:, :1]) if weights is None else weights))
    return found


@pytest.mark.parametrize(
    ("shape", "places"),
    [
        ((64, 80), [(0, 0), (3, -5), (4, -2), (-6, 7)]),
        ((12, 40, 48), [(0, 0, 0), (1, 4, -3), (-1, 2, 5)]),
    ],
    ids=["image", "volume"],
)
def test_it_measures_the_shift_relative_to_the_first_frame(shape, places):
    """New structure comes into view at one border and leaves at the other."""
    wide = scene(tuple(n + 20 for n in shape))
    frames = [
        wide[tuple(slice(10 - at, 10 - at + n) for at, n in zip(place, shape, strict=True))][None]
        for place in places
    ]
    assert shifts(frames) == places


def test_slow_drift_adds_up_to_whole_pixels():
    spectrum = np.fft.fftn(scene((64, 64)))
    frames = [np.fft.ifftn(fourier_shift(spectrum, (0.3 * t, -0.2 * t))).real[None] for t in range(11)]
    found = shifts(frames, noise=2.0)
    assert found[1] == (0, 0)
    assert found[10] == (3, -2)


def test_a_scene_that_does_not_move_has_no_shift():
    assert shifts([scene((64, 64))[None]] * 5, noise=25.0) == [(0, 0)] * 5


def test_values_of_missing_pixels_have_no_influence():
    wide = scene((84, 84))
    weights = torch.from_numpy(np.random.default_rng(1).random((1, 1, 64, 64)) > 0.05).float()
    frames = [wide[10 - t : 74 - t, 10 + 2 * t : 74 + 2 * t][None] for t in range(3)]
    hot = [np.where(weights[0] > 0, frame, 1e6 * (t + 1)) for t, frame in enumerate(frames)]
    assert shifts(hot, weights) == shifts(frames, weights) == [(0, 0), (1, -2), (2, -4)]


def test_channels_share_one_shift_even_if_one_is_empty():
    wide = scene((84, 84))
    frames = [wide[10 - t : 74 - t, 10 + t : 74 + t] for t in range(3)]
    colour = [np.stack([frame, frame / 2, np.zeros_like(frame)]) for frame in frames]
    assert shifts(colour, noise=2.0) == [(0, 0), (1, -1), (2, -2)]


def test_grey_levels_may_have_any_unit():
    wide = scene((84, 84))
    for unit in (1e-6, 1e9):
        frames = [unit * (wide[10 - t : 74 - t, 10:74][None] - 100) for t in range(3)]
        assert shifts(frames, noise=5 * unit) == [(0, 0), (1, 0), (2, 0)]


def test_frames_are_not_modified():
    data = torch.from_numpy(scene((32, 32)).astype(np.float32))[None, None]
    before, drift = data.clone(), Drift()
    for _ in range(2):
        drift.next(data, torch.ones_like(data))
    assert torch.equal(data, before)

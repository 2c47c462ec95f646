import numpy as np
import pytest
import torch
from scipy.ndimage import fourier_shift, gaussian_filter

from napari_dip.image.registration import Drift


def scene(shape, seed=3):
    """Structure of grey levels 0 to 255 that goes on wherever one looks."""
    image = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2, mode="wrap")
    return 255 * (image - image.min()) / np.ptp(image)


def seen(frames, weights=None, noise=10.0):
    """Return where each frame lies off the first one; a frame is an array, channels first."""
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
def test_it_finds_how_far_the_scene_lies_off_the_first_frame(shape, places):
    """New structure comes into view at one border, and at the other some leaves."""
    wide = scene(tuple(n + 20 for n in shape))
    frames = [
        wide[tuple(slice(10 - at, 10 - at + n) for at, n in zip(place, shape, strict=True))][None]
        for place in places
    ]
    assert seen(frames) == places


def test_slow_drift_adds_up_to_whole_pixels():
    spectrum = np.fft.fftn(scene((64, 64)))
    frames = [np.fft.ifftn(fourier_shift(spectrum, (0.3 * t, -0.2 * t))).real[None] for t in range(11)]
    found = seen(frames, noise=2.0)
    assert found[1] == (0, 0)
    assert found[10] == (3, -2)


def test_what_stays_does_not_drift():
    assert seen([scene((64, 64))[None]] * 5, noise=25.0) == [(0, 0)] * 5


def test_what_missing_pixels_hold_has_no_influence():
    wide = scene((84, 84))
    weights = torch.from_numpy(np.random.default_rng(1).random((1, 1, 64, 64)) > 0.05).float()
    frames = [wide[10 - t : 74 - t, 10 + 2 * t : 74 + 2 * t][None] for t in range(3)]
    hot = [np.where(weights[0] > 0, frame, 1e6 * (t + 1)) for t, frame in enumerate(frames)]
    assert seen(hot, weights) == seen(frames, weights) == [(0, 0), (1, -2), (2, -4)]


def test_channels_drift_together_also_where_one_is_empty():
    wide = scene((84, 84))
    frames = [wide[10 - t : 74 - t, 10 + t : 74 + t] for t in range(3)]
    colour = [np.stack([frame, frame / 2, np.zeros_like(frame)]) for frame in frames]
    assert seen(colour, noise=2.0) == [(0, 0), (1, -1), (2, -2)]


def test_grey_levels_may_have_any_unit():
    wide = scene((84, 84))
    for unit in (1e-6, 1e9):
        frames = [unit * (wide[10 - t : 74 - t, 10:74][None] - 100) for t in range(3)]
        assert seen(frames, noise=5 * unit) == [(0, 0), (1, 0), (2, 0)]


def test_the_frames_are_left_alone():
    data = torch.from_numpy(scene((32, 32)).astype(np.float32))[None, None]
    before, drift = data.clone(), Drift()
    for _ in range(2):
        drift.next(data, torch.ones_like(data))
    assert torch.equal(data, before)

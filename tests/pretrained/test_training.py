from dataclasses import replace

import pytest
import torch

from napari_dip.pretrained import training
from napari_dip.pretrained.bundled import shipped
from napari_dip.pretrained.degradation import degraded, pre_upsampled
from napari_dip.pretrained.files import load, save
from napari_dip.pretrained.training import courses, graduated, pictures, train

NAMES = ["compact", "dncnn", "vdsr"]


@pytest.fixture(scope="module")
def images():
    return pictures(count=3)


def small(name, iterations=12):
    return replace(courses()[name], iterations=iterations, batch=2, side=16)


def state(course):
    return {
        (name, weight): value.clone()
        for name, one in course.networks.items()
        for weight, value in one.network.state_dict().items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_training_gives_the_same_weights_again(name, images):
    states = []
    for seed in (0, 0, 1):
        course = small(name, iterations=3)
        list(train(course, images, seed=seed))
        states.append(state(course))
    assert all(torch.equal(states[0][key], value) for key, value in states[1].items())
    assert not all(torch.equal(states[0][key], value) for key, value in states[2].items())


@pytest.mark.parametrize("name", NAMES)
def test_a_network_learns(name, images):
    course = small(name, iterations=40)
    losses = [float(iterate.loss) for iterate in train(course, [images[0][:48, :48]])]
    assert sum(losses[-9:]) < 0.8 * sum(losses[:9])


def test_the_factors_of_a_course_take_turns_and_share_all_but_their_heads(images):
    course = small("compact", iterations=4)
    shapes = [tuple(iterate.x.shape) for iterate in train(course, images)]
    assert shapes == [(2, 1, 16 * f, 16 * f) for f in (2, 3, 4, 2)]
    two, three, four = (one.network.state_dict() for one in course.networks.values())
    for weights in (three, four):
        for name, value in weights.items():
            assert name.startswith("body.10.") or torch.equal(value, two[name]), name
    assert three["body.10.weight"].shape == (9, 32, 3, 3)


def test_a_course_tells_what_its_networks_were_trained_for(images):
    course = small("dncnn", iterations=1)
    list(train(course, images))
    truths = torch.stack(images)[:, None, :48, :48]
    (one,) = graduated(course, truths).values()
    assert (one.sigma, one.factor, one.record["seed"]) == (25.0, 1, 0)
    noisy = degraded(one, truths, torch.Generator().manual_seed(0))
    with torch.no_grad():
        errors = (one.network(noisy) - truths).square().mean((1, 2, 3))
    assert one.record["validation_dB"] == pytest.approx(float(-10 * errors.log10().mean()), abs=0.01)


def test_validation_has_pictures_of_its_own(monkeypatch):
    monkeypatch.setattr(training, "_MORE", 1)
    (other,) = training.validation()
    assert not any(torch.equal(image[:240, :240], other[0]) for image in pictures(count=3))


SHIPPED = [("compact-2", 2), ("compact-3", 3), ("compact-4", 4), ("vdsr-4", 4), ("dncnn", 1)]


def one_of(name, factor):
    purpose = "denoise" if name == "dncnn" else "super-resolve"
    return shipped(purpose, factor, pre_upsampled=name.startswith("vdsr"))


def test_a_network_that_does_not_come_with_the_package_is_none():
    assert shipped("super-resolve", 5) is None
    assert shipped("super-resolve", 2, pre_upsampled=True) is None


@pytest.mark.parametrize(("name", "factor"), SHIPPED, ids=[name for name, _ in SHIPPED])
def test_a_shipped_network_is_as_its_course_makes_it(name, factor, tmp_path):
    one = one_of(name, factor)
    (planned,) = (course.networks[name] for course in courses().values() if name in course.networks)
    assert (one.architecture, one.factor, one.channels, one.pre_upsampled, one.sigma) == (
        planned.architecture,
        planned.factor,
        planned.channels,
        planned.pre_upsampled,
        planned.sigma,
    )
    assert {key: value.shape for key, value in one.network.state_dict().items()} == {
        key: value.shape for key, value in planned.network.state_dict().items()
    }
    assert one.source == f"napari-dip {name}"
    assert one.record["images"].startswith("600 made pictures")
    save(one, tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").record == one.record
    assert (tmp_path / "a.safetensors").stat().st_size < 500_000


@pytest.mark.parametrize(("name", "factor"), SHIPPED, ids=[name for name, _ in SHIPPED])
def test_a_shipped_network_is_better_than_none_on_a_photograph(name, factor):
    from skimage import data

    one = one_of(name, factor)
    truth = torch.from_numpy(data.camera()[60:252, 120:312]).float()[None, None] / 255
    seen = degraded(one, truth, torch.Generator().manual_seed(0))
    plain = seen if factor == 1 or one.pre_upsampled else pre_upsampled(seen, factor)
    with torch.no_grad():
        gain = 10 * torch.log10((plain - truth).square().mean() / (one.network(seen) - truth).square().mean())
    assert gain > (0.8 if factor > 1 else 7)

from dataclasses import replace

import pytest
import torch

from napari_dip.pretrained import training
from napari_dip.pretrained.bundled import bundled
from napari_dip.pretrained.degradation import degraded, pre_upsampled
from napari_dip.pretrained.files import load, save
from napari_dip.pretrained.training import train, training_images, training_plans, validated

NAMES = ["compact", "dncnn", "vdsr"]


@pytest.fixture(scope="module")
def images():
    return training_images(count=3)


def small(name, iterations=12):
    return replace(training_plans()[name], iterations=iterations, batch=2, side=16)


def weights(plan):
    return {
        (name, weight): value.clone()
        for name, one in plan.networks.items()
        for weight, value in one.network.state_dict().items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(name, images):
    found = []
    for seed in (0, 0, 1):
        plan = small(name, iterations=3)
        list(train(plan, images, seed=seed))
        found.append(weights(plan))
    assert all(torch.equal(found[0][key], value) for key, value in found[1].items())
    assert not all(torch.equal(found[0][key], value) for key, value in found[2].items())


@pytest.mark.parametrize("name", NAMES)
def test_training_lowers_the_loss(name, images):
    losses = [float(iterate.loss) for iterate in train(small(name, iterations=40), [images[0][:48, :48]])]
    assert sum(losses[-9:]) < 0.8 * sum(losses[:9])


def test_the_factors_of_a_plan_take_turns_and_share_all_but_the_last_layer(images):
    plan = small("compact", iterations=4)
    shapes = [tuple(iterate.x.shape) for iterate in train(plan, images)]
    assert shapes == [(2, 1, 16 * f, 16 * f) for f in (2, 3, 4, 2)]
    two, three, four = (one.network.state_dict() for one in plan.networks.values())
    for other in (three, four):
        for name, value in other.items():
            assert name.startswith("body.10.") or torch.equal(value, two[name]), name
    assert three["body.10.weight"].shape == (9, 32, 3, 3)


def test_the_metadata_have_the_validation_score(images):
    plan = small("dncnn", iterations=1)
    list(train(plan, images))
    truths = torch.stack(images)[:, None, :48, :48]
    (one,) = validated(plan, truths).values()
    assert (one.sigma, one.factor, one.metadata["seed"]) == (25.0, 1, 0)
    noisy = degraded(one, truths, torch.Generator().manual_seed(0))
    with torch.no_grad():
        errors = (one.network(noisy) - truths).square().mean((1, 2, 3))
    assert one.metadata["validation_dB"] == pytest.approx(float(-10 * errors.log10().mean()), abs=0.01)


def test_validation_images_are_not_trained_on(monkeypatch):
    monkeypatch.setattr(training, "_VALIDATION", 1)
    (other,) = training.validation_images()
    assert not any(torch.equal(image[:240, :240], other[0]) for image in training_images(count=3))


BUNDLED = {"compact-2": 2, "compact-3": 3, "compact-4": 4, "vdsr-4": 4, "dncnn": 1}


def named(name):
    purpose = "denoise" if name == "dncnn" else "super-resolve"
    return bundled(purpose, BUNDLED[name], pre_upsampled=name.startswith("vdsr"))


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_network_follows_its_plan(name, tmp_path):
    one = named(name)
    (planned,) = (plan.networks[name] for plan in training_plans().values() if name in plan.networks)
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
    assert one.metadata["images"].startswith("600 ")
    save(one, tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").metadata == one.metadata
    assert (tmp_path / "a.safetensors").stat().st_size < 500_000


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_network_is_better_than_none_on_a_photograph(name):
    from skimage import data

    one = named(name)
    truth = torch.from_numpy(data.camera()[60:252, 120:312]).float()[None, None] / 255
    inputs = degraded(one, truth, torch.Generator().manual_seed(0))
    plain = inputs if one.factor == 1 or one.pre_upsampled else pre_upsampled(inputs, one.factor)
    with torch.no_grad():
        restored = one.network(inputs)
    gain = 10 * torch.log10((plain - truth).square().mean() / (restored - truth).square().mean())
    assert gain > (0.8 if one.factor > 1 else 7)

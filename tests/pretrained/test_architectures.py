import re

import pytest
import torch
import torch.nn.functional as F

from napari_dip.pretrained.architectures import (
    ARCHITECTURES,
    EDSR,
    RRDB,
    VDSR,
    Compact,
    DnCNN,
    SRResNet,
    recognised,
)

from .conftest import randomised

X = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(1))
GREY = X[:, :1]


def weights_of(*shapes, bias=True):
    """Return random weights: names with the shapes of their kernels."""
    generator = torch.Generator().manual_seed(3)
    weights = {}
    for name, shape in shapes:
        scale = torch.tensor(shape[1:]).prod() ** -0.5
        weights[f"{name}.weight"] = scale * torch.randn(shape, generator=generator)
        if bias:
            weights[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return weights


def conv(weights, name, x):
    kernel = weights[f"{name}.weight"]
    return F.conv2d(x, kernel, weights.get(f"{name}.bias"), padding=kernel.shape[-1] // 2)


def close(one, other):
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


EXAMPLES = [
    *(Compact(channels, factor, 6, 2) for channels, factor in ((1, 1), (3, 2), (1, 3), (3, 4))),
    VDSR(1, 5, 4),
    VDSR(3, 5, 2, bias=False),
    DnCNN.plain(1, 5, 4),
    DnCNN.plain(3, 5, 2),
    EDSR(3, 6, 2, [2]),
    EDSR(3, 6, 1, [3]),
    EDSR(1, 6, 2, [2, 2]),
    SRResNet(3, 6, 2, [2, 2]),
    SRResNet(1, 6, 1, [3]),
    RRDB(3, 8, 4, 1, 2),
    RRDB(3, 8, 4, 2, 1),
    RRDB(3, 8, 4, 1, 2, folded=2),
]


@pytest.mark.parametrize(
    "network", [pytest.param(one, id=f"{one.title} {at}") for at, one in enumerate(EXAMPLES)]
)
def test_a_network_is_recognised_by_its_weights_alone(network):
    randomised(network)
    x = X[:, : network.channels, :11, :9]
    found = recognised(network.state_dict())
    assert type(found) is type(network)
    assert not found.training
    with torch.no_grad():
        result = found(x)
        close(result, network(x))
    assert result.shape == (2, network.channels, network.factor * 11, network.factor * 9)


def test_a_recognised_network_has_weights_of_its_own():
    weights = randomised(Compact(1, 2, 6, 2)).state_dict()
    found = recognised(weights)
    with torch.no_grad():
        found.body[0].weight.add_(1)
    assert not torch.equal(found.body[0].weight, weights["body.0.weight"])
    assert all(p.requires_grad for p in found.parameters())


ONE_OF_EACH = list({type(network): network for network in EXAMPLES}.values())


@pytest.mark.parametrize("network", ONE_OF_EACH, ids=lambda network: network.title)
@pytest.mark.parametrize("change", ["missing", "flat"])
def test_the_size_can_not_be_told_from_weights_that_do_not_fit_together(network, change):
    """`sized` fails on them, each architecture in its own way."""
    weights = dict(network.state_dict())
    name = [name for name in weights if name.endswith("weight")][-1]
    if change == "missing":
        del weights[name]
    else:
        weights[name] = weights[name].flatten()
    assert recognised(weights) is None


@pytest.mark.parametrize("change", ["one more", "other shape", "integers"])
def test_all_names_shapes_and_types_of_the_weights_have_to_fit(change):
    """They are compared after `sized`, in the same way for all architectures."""
    weights = dict(Compact(1, 2, 6, 2).state_dict())
    name = "body.2.weight"
    if change == "one more":
        weights["attention.weight"] = torch.zeros(3, 3)
    elif change == "other shape":
        weights[name] = weights[name][..., :2]
    else:
        weights[name] = weights[name].to(torch.int8)
    assert recognised(weights) is None


@pytest.mark.parametrize("weights", [{}, {"x": torch.zeros(2)}, {"body.0.weight": torch.zeros(())}])
def test_weights_of_something_else_are_not_recognised(weights):
    assert recognised(weights) is None


def test_every_architecture_has_its_own_title_and_an_example():
    assert len({architecture.title for architecture in ARCHITECTURES}) == len(ARCHITECTURES)
    assert {type(network) for network in EXAMPLES} == set(ARCHITECTURES)


def test_compact_adds_to_repeated_pixels():
    network = randomised(Compact(1, 3, 6, 2))
    torch.nn.init.zeros_(network.body[-1].weight)
    torch.nn.init.zeros_(network.body[-1].bias)
    close(network(GREY), F.interpolate(GREY, scale_factor=3, mode="nearest"))


def test_vdsr_by_the_names_of_other_programs():
    weights = weights_of(
        ("input", (5, 1, 3, 3)),
        *((f"residual_layer.{n}.conv", (5, 5, 3, 3)) for n in range(11)),
        ("output", (1, 5, 3, 3)),
        bias=False,
    )
    y = conv(weights, "input", GREY).relu()
    for n in range(11):
        y = conv(weights, f"residual_layer.{n}.conv", y).relu()
    network = recognised(weights)
    assert network.pre_upsampled
    close(network(GREY), GREY + conv(weights, "output", y))


def test_dncnn_with_batch_normalisation():
    weights = weights_of(
        ("dncnn.0", (5, 1, 3, 3)), ("dncnn.2", (5, 5, 3, 3)), ("dncnn.5", (1, 5, 3, 3)), bias=False
    )
    weights |= {
        f"dncnn.3.{name}": 0.5 + torch.arange(5) / 5
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    y = conv(weights, "dncnn.2", conv(weights, "dncnn.0", GREY).relu())
    mean, var, scale, shift = (
        weights[f"dncnn.3.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    y = F.batch_norm(y, mean, var, scale, shift).relu()
    close(recognised(weights)(GREY), GREY - conv(weights, "dncnn.5", y))


def test_seven_plain_convolutions_are_not_taken_for_dncnn():
    """They are those of IRCNN, which are dilated. Its files do not say so, and the result would be wrong."""
    assert recognised(DnCNN.plain(1, 5, 7).state_dict()) is None
    assert recognised(DnCNN.plain(1, 5, 8).state_dict()) is not None


def edsr(features, blocks=2):
    return weights_of(
        ("sub_mean", (3, 3, 1, 1)),
        ("add_mean", (3, 3, 1, 1)),
        ("head.0", (features, 3, 3, 3)),
        *((f"body.{n}.body.{layer}", (features, features, 3, 3)) for n in range(blocks) for layer in (0, 2)),
        (f"body.{blocks}", (features, features, 3, 3)),
        ("tail.0.0", (4 * features, features, 3, 3)),
        ("tail.0.2", (4 * features, features, 3, 3)),
        ("tail.1", (3, features, 3, 3)),
    )


@pytest.mark.parametrize(("features", "scale"), [(4, 1), (256, 0.1)])
def test_edsr_by_the_names_of_its_authors(features, scale):
    weights = edsr(features, blocks=1)
    x = X[:, :, :4, :4]
    first = y = conv(weights, "head.0", conv(weights, "sub_mean", x))
    y = y + scale * conv(weights, "body.0.body.2", conv(weights, "body.0.body.0", y).relu())
    y = first + conv(weights, "body.1", y)
    for layer in ("tail.0.0", "tail.0.2"):
        y = F.pixel_shuffle(conv(weights, layer, y), 2)
    network = recognised(weights)
    assert network.factor == 4
    close(network(x), conv(weights, "add_mean", conv(weights, "tail.1", y)))
    assert not network.sub_mean.weight.requires_grad


def test_edsr_by_the_names_of_basicsr():
    theirs = edsr(6)
    names = {
        r"head\.0": "conv_first",
        r"body\.(\d)\.body\.0": r"body.\1.conv1",
        r"body\.(\d)\.body\.2": r"body.\1.conv2",
        r"body\.2\.": "conv_after_body.",
        r"tail\.0": "upsample",
        r"tail\.1": "conv_last",
    }
    weights = {}
    for name, value in theirs.items():
        for old, new in names.items():
            name = re.sub("^" + old, new, name)
        weights[name] = value
    weights = {name: value for name, value in weights.items() if "mean" not in name}
    mean = torch.tensor([0.4488, 0.4371, 0.4040])[:, None, None]
    same = torch.eye(3)[:, :, None, None]
    for name in ("sub_mean", "add_mean"):
        theirs[f"{name}.weight"] = same
    theirs["sub_mean.bias"], theirs["add_mean.bias"] = -255 * mean.flatten(), 255 * mean.flatten()
    torch.testing.assert_close(
        recognised(weights)(X), recognised(theirs)(255 * X) / 255, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(("trunk", "fine"), [("body", "conv_hr"), ("recon_trunk", "HRconv")])
def test_srresnet(trunk, fine):
    weights = weights_of(
        ("conv_first", (4, 3, 3, 3)),
        (f"{trunk}.0.conv1", (4, 4, 3, 3)),
        (f"{trunk}.0.conv2", (4, 4, 3, 3)),
        ("upconv1", (36, 4, 3, 3)),
        (fine, (4, 4, 3, 3)),
        ("conv_last", (3, 4, 3, 3)),
    )
    y = F.leaky_relu(conv(weights, "conv_first", X), 0.1)
    y = y + conv(weights, f"{trunk}.0.conv2", conv(weights, f"{trunk}.0.conv1", y).relu())
    y = F.leaky_relu(F.pixel_shuffle(conv(weights, "upconv1", y), 3), 0.1)
    y = conv(weights, "conv_last", F.leaky_relu(conv(weights, fine, y), 0.1))
    close(recognised(weights)(X), y + F.interpolate(X, scale_factor=3, mode="bilinear"))


def old_names(name, doublings=2, blocks=1):
    """Return the name of a weight of RRDB in the first release of ESRGAN."""
    layers = {f"conv_up{n}.": f"model.{3 * n}." for n in range(1, doublings + 1)}
    layers |= {
        "conv_first.": "model.0.",
        "conv_body.": f"model.1.sub.{blocks}.",
        "conv_hr.": f"model.{3 * doublings + 2}.",
        "conv_last.": f"model.{3 * doublings + 4}.",
    }
    for new, old in layers.items():
        name = name.replace(new, old)
    return re.sub(r"^body\.(\d)\.rdb(\d)\.conv(\d)\.", r"model.1.sub.\1.RDB\2.conv\3.0.", name)


def middle_names(name):
    """Return its name in the second release."""
    for new, old in {
        "conv_body": "trunk_conv",
        "conv_up": "upconv",
        "conv_hr": "HRconv",
        ".rdb": ".RDB",
    }.items():
        name = name.replace(new, old)
    return re.sub(r"^body\.", "RRDB_trunk.", name)


@pytest.mark.parametrize("named", [old_names, middle_names])
def test_esrgan_by_all_of_its_names(named):
    network = randomised(RRDB(3, 8, 4, 1, 2))
    found = recognised({named(name): value for name, value in network.state_dict().items()})
    close(found(X), network(X))


def spandrel_output(spandrel, weights, x):
    descriptor = spandrel.MAIN_REGISTRY.load(dict(weights))
    return descriptor.scale, descriptor.model.eval()(x)


@pytest.mark.parametrize(
    "network",
    [
        Compact(1, 2, 6, 3),
        Compact(3, 4, 6, 2),
        Compact(3, 1, 6, 2),
        DnCNN.plain(1, 6, 8),
        RRDB(3, 8, 32, 2, 2),
        RRDB(3, 8, 32, 2, 2, folded=2),
        RRDB(3, 8, 32, 2, 1),
    ],
    ids=lambda network: f"{network.title} {network.factor} {sum(p.numel() for p in network.parameters())}",
)
def test_spandrel_gives_the_same_for_the_same_weights(spandrel, network):
    randomised(network)
    x = X[:, : network.channels]
    factor, result = spandrel_output(spandrel, network.state_dict(), x)
    assert factor == network.factor
    close(network(x), result)


def test_spandrel_gives_the_same_with_batch_normalisation(spandrel):
    body = [torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.ReLU()]
    for _ in range(2):
        body += [torch.nn.Conv2d(6, 6, 3, padding=1), torch.nn.BatchNorm2d(6), torch.nn.ReLU()]
    network = randomised(DnCNN(1, torch.nn.Sequential(*body, torch.nn.Conv2d(6, 1, 3, padding=1))))
    weights = network.state_dict()
    close(recognised(weights)(GREY), spandrel_output(spandrel, weights, GREY)[1])


def test_spandrel_gives_the_same_for_the_old_names_of_esrgan(spandrel):
    network = randomised(RRDB(3, 8, 32, 2, 2))
    weights = {old_names(name, blocks=2): value for name, value in network.state_dict().items()}
    close(recognised(weights)(X), spandrel_output(spandrel, weights, X)[1])


def spoilt(value):
    """Yield other values in place of a weight."""
    yield torch.tensor(1.0)
    yield torch.zeros(3)
    yield torch.zeros(value.shape[0] + 1, *value.shape[1:])
    yield value[None]
    yield value.flatten()
    yield value.to(torch.int64)
    yield torch.zeros(2000, 1, 1, 1)
    yield torch.zeros(1, 2000, 1, 1)
    yield None


@pytest.mark.parametrize("network", ONE_OF_EACH, ids=lambda one: one.title)
def test_spoilt_weights_are_recognised_as_none(network):
    weights = randomised(network).state_dict()
    for name, value in weights.items():
        for other in spoilt(value):
            found = recognised(
                {one: value for one, value in {**weights, name: other}.items() if value is not None}
            )
            if other is None:  # some layers may lack a bias
                assert found is None or type(found) is type(network), name
            elif other.shape != value.shape or other.dtype != value.dtype:
                assert found is None, name


def test_sizes_that_no_memory_holds_are_recognised_as_none():
    """Networks of these sizes are never made."""
    many = torch.zeros(50_000)
    assert recognised({"conv_after_body.weight": many, "conv_last.bias": many}) is None
    wide = torch.zeros(1).expand(2**20, 2**20, 1, 1)
    for name in ("conv_first", "body.0", "layers.0", "model.0"):
        assert recognised({f"{name}.weight": wide, "conv_last.weight": wide, "body.2.weight": wide}) is None

import sys
from types import ModuleType

import pytest
import torch


@pytest.fixture
def spandrel(monkeypatch):
    """Spandrel. If there is no torchvision, it gets the names that it imports and never calls here.

    Development uses a CPU build of torch, for which there may be no torchvision.
    """
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        names = {"torchvision": [], "torchvision.transforms": []}
        names["torchvision.transforms.functional"] = ["InterpolationMode", "rotate", "normalize"]
        for name, contents in names.items():
            module = ModuleType(name)
            for content in contents:
                setattr(module, content, None)
            monkeypatch.setitem(sys.modules, name, module)
    return pytest.importorskip("spandrel")


def randomised(network, seed=0):
    """Give a network random weights and statistics, so that every part of it counts."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        if value.ndim == 4:
            scale = value[0].numel() ** -0.5
            value.copy_(scale * torch.randn(value.shape, generator=generator))
        elif "var" in name:
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
        else:
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
    return network.eval()

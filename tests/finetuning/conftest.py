import pytest
import torch
from torch import nn

from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.pretrained.model import Pretrained


class Upsampler(nn.Module):
    """Interpolates, and adds the output of a few convolutions: nothing at first, or something random."""

    def __init__(self, factor=1, channels=1, *, blank=True, before=False):
        super().__init__()
        self.factor = 1 if before else factor
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, channels, 3, padding=1)
        )
        if blank:
            nn.init.zeros_(self.layers[2].weight)
            nn.init.zeros_(self.layers[2].bias)

    def forward(self, x):
        x = pre_upsampled(x, self.factor) if self.factor > 1 else x
        return x + self.layers(x)


@pytest.fixture
def upsampler():
    """Return a function that makes a pretrained network."""

    def make(factor=1, channels=1, *, pre_upsampled=False, blank=False):
        torch.manual_seed(3)
        network = Upsampler(factor, channels, blank=blank, before=pre_upsampled)
        return Pretrained(network, "Upsampler", factor, channels, "test", pre_upsampled=pre_upsampled)

    return make


def in_foreground(steps, shown):
    """Do the work of `in_background` here, and yield after each step, so that steps can be counted."""
    found = None
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            found = found if step is None else step
            yield shown(found)
    finally:
        steps.close()


@pytest.fixture
def foreground(monkeypatch):
    """Runs yield after each piece of work, whatever time it takes."""
    monkeypatch.setattr("napari_dip.finetuning.monitor.in_background", in_foreground)

import pytest
import torch
from torch import nn

from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.pretrained.model import Pretrained


class Enlarger(nn.Module):
    """Enlarges, and adds what a few convolutions make of it: nothing at first, or something random."""

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
def made():
    def make(factor=1, channels=1, *, pre_upsampled=False, blank=False):
        torch.manual_seed(3)
        network = Enlarger(factor, channels, blank=blank, before=pre_upsampled)
        return Pretrained(network, "Enlarger", factor, channels, "test", pre_upsampled=pre_upsampled)

    return make

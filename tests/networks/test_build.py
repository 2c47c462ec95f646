"""Architectures become networks."""

from dataclasses import dataclass

import pytest

from napari_dip.networks.build import build
from napari_dip.networks.settings import Architecture, Decoder, Hourglass


@pytest.mark.parametrize("architecture", [Hourglass(), Decoder()])
def test_each_architecture_has_a_network(architecture):
    assert type(build(architecture, 3, 1, (32, 32))).__name__ in ("SkipNetwork", "DecoderNetwork")


def test_an_architecture_without_a_network_is_named():
    @dataclass(frozen=True)
    class Unheard(Architecture):
        def input_shape(self, spatial):
            return spatial

    with pytest.raises(TypeError, match="no network is registered for Unheard"):
        build(Unheard(), 3, 1, (32, 32))

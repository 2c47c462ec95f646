from dataclasses import replace

import pytest
import torch

from napari_dip import DIP, GaussianPSF, RichardsonLucy, UnknownNoise, Wiener
from napari_dip.operators import Blur, Identity
from napari_dip.presentation import words_of_method
from napari_dip.problem import Problem
from napari_dip.settings import descriptions, from_dict, hints, to_dict

by_name = pytest.mark.parametrize(
    "method", [RichardsonLucy(), Wiener()], ids=lambda method: type(method).__name__
)


@by_name
def test_an_unsupported_problem_is_refused_in_words(method, phantom):
    data = torch.from_numpy(phantom)[None, None]
    blur = Blur(torch.from_numpy(GaussianPSF().kernel(2)).float())
    made = Problem(data, blur, UnknownNoise(), torch.ones_like(data))
    assert method.unsupported_reason(made) is None
    sharp, unseen = replace(made, operator=Identity()), replace(made, weights=torch.zeros_like(data))
    assert "point spread function" in method.unsupported_reason(sharp)
    assert "at least one observed pixel" in method.unsupported_reason(unseen)


@by_name
def test_settings_are_plain_and_described(method):
    assert set(hints(type(method))) == set(descriptions(type(method)))
    assert set(words_of_method(type(method)).essential) <= set(hints(type(method)))
    assert from_dict(type(method), to_dict(method)) == method
    assert method.resolved("cpu") == method
    assert method.time_limit is None
    public = {name for name in dir(DIP) if not name.startswith("_")} - set(hints(DIP))
    assert public <= set(dir(method))


def test_settings_out_of_their_limits_are_refused():
    with pytest.raises(ValueError, match="iterations must be >= 1"):
        RichardsonLucy(0)
    with pytest.raises(ValueError, match="balance must be > 0"):
        Wiener(0.0)
    assert RichardsonLucy().probe(3) == RichardsonLucy(3)
    assert Wiener().probe(3) == Wiener()

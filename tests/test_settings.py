import json
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Interval

from napari_dip import (
    DIP,
    PRESETS,
    AiryPSF,
    Decoder,
    Deconvolve,
    Denoise,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    LaplaceNoise,
    MoffatPSF,
    NonLocalBayes,
    PoissonGaussianNoise,
    PoissonNoise,
    RichardsonLucy,
    SuperResolve,
    UnknownNoise,
    Wiener,
)
from napari_dip.noise.models import NoiseModel
from napari_dip.settings import check, descriptions, from_dict, hints, to_dict
from napari_dip.tasks import Task

SETTINGS = (
    DIP,
    Hourglass,
    Decoder,
    NonLocalBayes,
    RichardsonLucy,
    Wiener,
    Denoise,
    Inpaint,
    SuperResolve,
    Deconvolve,
    GaussianPSF,
    AiryPSF,
    MoffatPSF,
    GaussianNoise,
    LaplaceNoise,
    PoissonNoise,
    PoissonGaussianNoise,
    UnknownNoise,
)


@dataclass(frozen=True)
class Example:
    """An example.

    Parameters
    ----------
    count : int
        How many.
    """

    count: Annotated[int, Interval(ge=1, lt=10)] = 3
    share: Annotated[float | None, Ge(0)] = None
    kind: Literal["a", "b"] = "a"
    sizes: tuple[Annotated[int, Ge(0)], ...] = (1,)
    mixed: int | str = 1
    flag: bool = False

    def __post_init__(self):
        check(self)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, r"Example.count must be >= 1, got 0"),
        ({"count": 10}, r"Example.count must be < 10, got 10"),
        ({"share": -0.5}, r"Example.share must be >= 0, got -0.5"),
        ({"share": float("nan")}, r"Example.share must be finite, got nan"),
        ({"share": float("inf")}, r"Example.share must be finite, got inf"),
        ({"share": 10**400}, r"Example.share must be finite, got an integer that is too large"),
        ({"kind": "c"}, r"Example.kind must be one of a, b, got 'c'"),
        ({"sizes": (1, -1)}, r"Example.sizes must be >= 0, got -1"),
    ],
)
def test_a_value_out_of_limits_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        Example(**change)


@pytest.mark.parametrize(
    "change", [{"count": 2.5}, {"count": True}, {"share": "x"}, {"sizes": [1]}, {"mixed": 1.5}, {"flag": 1}]
)
def test_a_value_of_another_type_is_refused(change):
    with pytest.raises(TypeError, match=f"Example.{next(iter(change))} must be"):
        Example(**change)


@pytest.mark.parametrize("cls", SETTINGS)
def test_every_setting_has_a_description(cls):
    assert set(hints(cls)) == set(descriptions(cls))
    assert all(descriptions(cls).values())


def test_settings_become_plain_json():
    assert to_dict(Denoise(GaussianNoise(25.0))) == {
        "type": "Denoise",
        "noise": {"type": "GaussianNoise", "sigma": 25.0},
    }
    with pytest.raises(TypeError):
        to_dict(3)


MODELS = [
    UnknownNoise(),
    GaussianNoise(25.0),
    PoissonNoise(2.0, -3.5),
    PoissonGaussianNoise(2.0, 1.0, 0.0),
    LaplaceNoise(1.5),
]
TASKS = [*map(Denoise, MODELS), Inpaint(), Inpaint(LaplaceNoise(3.0), keep_observed=False)]


@pytest.mark.parametrize("settings", [*PRESETS.values(), *MODELS, *TASKS, Example(share=0.25, sizes=(4, 5))])
def test_settings_can_be_read_back_from_json(settings):
    values = json.loads(json.dumps(to_dict(settings)))
    families = [type(settings), (str, type(settings))]
    families += [family for family in (NoiseModel, Task) if isinstance(settings, family)]
    for family in families:
        again = from_dict(family, values)
        assert (type(again), again) == (type(settings), settings)


@pytest.mark.parametrize(
    ("family", "values", "message"),
    [
        (Task, {"type": "Sharpen"}, "one of Denoise, Inpaint, SuperResolve, Deconvolve, got 'Sharpen'"),
        (Task, {}, "must be one of Denoise, Inpaint, SuperResolve, Deconvolve, got None"),
        (Task, [1], r"must be one of Denoise, Inpaint, SuperResolve, Deconvolve, got \[1\]"),
        (Task, "Denoise", "got 'Denoise'"),
        (Task, {"type": []}, r"got \[\]"),
        (Task, {"type": "Task"}, "must be one of Denoise"),
        (Task, {"type": "Denoise", "noise": {"type": "Hourglass"}}, "must be one of .*Gaussian.*'Hourglass'"),
        (Task, {"type": "Denoise", "noise": None}, None),
        (
            NoiseModel,
            {"type": "GaussianNoise", "gain": 3, "loss": 4},
            "GaussianNoise has no field gain, loss",
        ),
        (NoiseModel, {"type": "GaussianNoise"}, "GaussianNoise needs sigma"),
        (NoiseModel, {"type": "GaussianNoise", "sigma": -1.0}, "GaussianNoise.sigma must be > 0"),
    ],
)
def test_an_impossible_record_is_refused_in_words(family, values, message):
    with pytest.raises(TypeError if message is None else ValueError, match=message):
        from_dict(family, values)


def test_an_absent_field_takes_its_default():
    assert from_dict(DIP, {"type": "DIP", "ensemble_size": 1}) == DIP(ensemble_size=1)


def test_whole_numbers_of_json_become_floats_where_floats_are_meant():
    read = from_dict(DIP, {"type": "DIP", "learning_rate": 1, "time_limit": 60, "iterations": 5})
    assert [type(one) for one in (read.learning_rate, read.time_limit, read.iterations)] == [
        float,
        float,
        int,
    ]
    with pytest.raises(ValueError, match="must be finite"):
        from_dict(DIP, {"type": "DIP", "time_limit": 10**400})

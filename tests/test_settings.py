from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Interval

from napari_dip import DIP, Denoise, Gaussian, Hourglass, Inpaint, Laplace, Poisson, PoissonGaussian, Unknown
from napari_dip.settings import check, descriptions, hints, record

SETTINGS = (DIP, Hourglass, Denoise, Inpaint, Gaussian, Laplace, Poisson, PoissonGaussian, Unknown)


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
        ({"share": float("nan")}, r"Example.share must be finite"),
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
def test_every_setting_is_described_for_the_user(cls):
    assert set(hints(cls)) == set(descriptions(cls))
    assert all(descriptions(cls).values())


def test_a_record_is_plain_json():
    assert record(Denoise(Gaussian(25.0))) == {
        "type": "Denoise",
        "noise": {"type": "Gaussian", "sigma": 25.0},
    }
    with pytest.raises(TypeError):
        record(3)

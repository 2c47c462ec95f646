"""The share of another image in a mean."""

import pytest
import torch

from napari_dip.dip.shares import preferred_share


def test_the_better_image_is_preferred(generator):
    truth, first, other = torch.randn(3, 4000, generator=generator)
    data, first, other = truth, truth + first, truth + 0.5 * other
    share = preferred_share(data - first, other - first, usual=0.5, weight=4)
    assert float(share) == pytest.approx(1 / 1.25, abs=0.03)  # by the inverse of the variances


def test_without_evidence_the_share_is_the_usual_one():
    nothing = torch.zeros(0)
    assert float(preferred_share(nothing, nothing, usual=0.7, weight=64)) == pytest.approx(0.7)
    equal = torch.zeros(10)
    assert float(preferred_share(equal, equal, usual=0.7, weight=64)) == pytest.approx(0.7)


def test_little_evidence_changes_the_usual_share_a_little():
    error, change = torch.ones(1), torch.ones(1)
    assert 0.5 < float(preferred_share(error, change, usual=0.5, weight=16, variance=1.0)) < 0.55


@pytest.mark.parametrize(("sign", "wanted"), [(1, 1.0), (-1, 0.0)])
def test_a_share_stays_between_none_and_all(sign, wanted):
    error = torch.ones(1000)
    assert float(preferred_share(error, sign * 0.1 * error, usual=0.5, weight=0.1)) == wanted

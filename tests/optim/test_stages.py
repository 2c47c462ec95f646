from dataclasses import replace

import pytest
import torch

from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stages import (
    averaged,
    averaged_with,
    best_last,
    scored,
    scored_by_variance,
    stopped,
)
from napari_dip.optim.stopping import MaxIterations


def stream(values, scores=None):
    for index, value in enumerate(values):
        score = None if scores is None else scores[index]
        yield Iterate(index, torch.tensor([float(value)]), torch.tensor(0.0), score)


def test_the_average_of_a_constant_is_the_constant():
    for iterate in averaged(stream([4] * 50), decay=0.99):
        assert float(iterate.x) == pytest.approx(4)


def test_the_average_weighs_the_past_by_its_decay():
    values = [0.0] * 30 + [1.0, 2.0, 4.0]
    *_, last = averaged(stream(values), decay=0.5)
    assert float(last.x) == pytest.approx(0.125 * 1 + 0.25 * 2 + 0.5 * 4)


def test_the_average_forgets_the_first_iterates_before_its_memory_is_full():
    for length in (20, 80, 200):
        *_, last = averaged(stream([1.0] * 5 + [0.0] * (length - 5)), decay=0.99)
        assert float(last.x) < (8 / length) ** 3


def test_averages_share_no_memory():
    first, second = averaged(stream([1, 3]), decay=0.5)
    assert float(first.x) == 1
    assert first.x.data_ptr() != second.x.data_ptr()


def test_the_first_iterates_are_scored_and_later_only_multiples():
    scores = [iterate.score for iterate in scored(stream(range(13)), lambda x: x.sum(), every=2)]
    assert scores == [*range(9), None, 10, None, 12]


def test_the_mean_with_other_images():
    others = [torch.tensor([1.0]), torch.tensor([2.0])]
    assert [float(iterate.x) for iterate in averaged_with(stream([3, 6]), others)] == [2, 3]
    assert [float(iterate.x) for iterate in averaged_with(stream([3]), [])] == [3]


def test_an_outcome_of_an_iterate_ends_the_stream():
    iterates = (
        replace(one, outcome=Outcome.DIVERGED if one.index == 1 else None) for one in stream(range(5))
    )
    assert [one.outcome for one in stopped(iterates, MaxIterations(9))] == [None, Outcome.DIVERGED]


def test_without_scores_the_last_finite_iterate_survives_a_divergence():
    def diverging():
        yield from stream([1, 2, 3])
        for index in (3, 4):
            yield Iterate(index, torch.tensor([float("nan")]), torch.tensor(float("nan")))
        yield Iterate(5, torch.tensor([float("nan")]), torch.tensor(float("nan")), outcome=Outcome.DIVERGED)

    *_, answer = best_last(diverging())
    assert (answer.index, answer.outcome) == (2, Outcome.DIVERGED)


def test_the_last_iterate_states_the_outcome():
    iterates = list(stopped(stream(range(10)), MaxIterations(3)))
    assert [iterate.outcome for iterate in iterates] == [None, None, None, Outcome.MAX_ITERATIONS]


def test_a_stopped_stream_takes_no_further_iterate():
    def endless():
        yield from stream([0, 1])
        raise AssertionError("one sample too many")

    assert len(list(stopped(endless(), MaxIterations(1)))) == 2


def test_the_best_comes_last_with_the_outcome_of_the_run():
    *_, answer = best_last(stopped(stream([10, 11, 12, 13], [3.0, 1.0, None, 2.0]), MaxIterations(3)))
    assert (answer.index, float(answer.x), answer.outcome) == (1, 11, Outcome.MAX_ITERATIONS)


def test_the_best_is_not_repeated_when_it_is_the_last():
    assert [iterate.index for iterate in best_last(stream([1, 2], [2.0, 1.0]))] == [0, 1]


def test_without_scores_the_last_is_the_answer():
    assert [iterate.index for iterate in best_last(stream([1, 2, 3]))] == [0, 1, 2]


def test_an_iterate_before_the_fit_is_never_the_best():
    before = Iterate(0, torch.tensor([5.0]), torch.tensor(float("nan")), preparing=True)
    diverged = Iterate(0, torch.tensor([float("nan")]), torch.tensor(0.0), outcome=Outcome.DIVERGED)
    assert list(best_last([before, before])) == [before, before]
    assert list(best_last([before, diverged])) == [before, diverged]


def test_nan_is_never_the_best():
    *_, answer = best_last(stream([1, 2, 3], [float("nan"), 5.0, float("nan")]))
    assert answer.index == 1


def test_a_stream_that_ends_in_nan_has_diverged_whatever_its_outcome():
    last = Iterate(2, torch.tensor([float("nan")]), torch.tensor(0.0), outcome=Outcome.MAX_ITERATIONS)
    *_, answer = best_last([*stream([1, 2]), last])
    assert (answer.index, answer.outcome) == (1, Outcome.DIVERGED)


def test_an_empty_stream_has_no_answer():
    assert list(best_last(stream([]))) == []


def test_constant_outputs_have_no_variance_and_the_first_are_not_scored():
    scores = [one.score for one in scored_by_variance(stream([4] * 9), decay=0.9, warm_up=3, every=2)]
    assert scores == [None, None, None, None, 0, None, 0, None, 0]


def test_the_variance_of_the_outputs_is_that_of_their_noise():
    values = torch.randn(600, generator=torch.Generator().manual_seed(0))
    scores = [
        one.score for one in scored_by_variance(stream(7 + 3 * values), decay=0.95, warm_up=100, every=1)
    ]
    # About its mean over the last 20 the outputs' own variance is 9, less that of the mean.
    assert sum(scores[100:]) / 500 == pytest.approx(9 / (1 + 0.05), rel=0.1)


def test_the_variance_is_least_where_the_outputs_are_steadiest():
    noise = torch.randn(300, generator=torch.Generator().manual_seed(0))
    spread = (torch.arange(300.0) - 150).abs() / 10 + 0.1
    *_, answer = best_last(scored_by_variance(stream(noise * spread), decay=0.9, warm_up=20))
    assert answer.index == pytest.approx(160, abs=15)  # it looks back


def test_scoring_by_variance_does_not_change_the_outputs():
    values = [1.0, 5.0, 2.0]
    assert [float(one.x) for one in scored_by_variance(stream(values), decay=0.5, warm_up=0)] == values

"""A pretrained network held against data: what it makes of them, and what is made of that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from napari_dip.finetuning.back_projection import projected
from napari_dip.finetuning.consistency import ConsistencyReport, Diagnosis, judged, noise_of
from napari_dip.finetuning.patches import PatchSampler
from napari_dip.finetuning.restorer import IntensityMapping, Restorer, all_ways, in_tiles
from napari_dip.finetuning.selection import matched_reading, reading_of
from napari_dip.pretrained.model import Pretrained
from napari_dip.problem import Problem


@dataclass(frozen=True, eq=False)
class Session:
    """A network that may learn, and what its first output said of it.

    Parameters
    ----------
    view : View
        The data.
    restorer : Restorer
        The network, which reads them as it is used to.
    first : Tensor
        What it made of them with the weights that it began with.
    verdict : Verdict
        What the data say of that.
    usual : Reading
        How it read them for that. From then on a denoiser may be shown another contrast, so that it takes the
        noise out.
    """

    view: PatchSampler
    restorer: Restorer
    first: Tensor
    verdict: ConsistencyReport
    usual: IntensityMapping

    @classmethod
    def of(cls, pretrained: Pretrained, problem: Problem) -> Self:
        """Let a network, which will be changed where it learns, restore a problem's data."""
        sigma = noise_of(problem)
        view = PatchSampler(problem, sigma)
        restorer = Restorer(pretrained, view.factor, view.reading)
        restorer.reading = reading_of(restorer, view)
        first = _made(restorer, view)
        verdict = judged(restorer, view, first)
        if verdict.sigma > view.noise:  # noise was found after all
            view = PatchSampler(problem, sigma.new_full((1, 1, 1, 1), verdict.sigma))
        usual = restorer.reading
        if verdict.finding is Diagnosis.NOISY and view.only_noise:
            restorer.reading = matched_reading(restorer, view)
        return cls(view, restorer, first, verdict, usual)

    @property
    def noisy(self) -> bool:
        """The data are too noisy to be explained to the last."""
        return self.verdict.finding is Diagnosis.NOISY

    @property
    def contrast(self) -> float:
        """How many times the usual contrast the network is shown."""
        return self.usual.span / self.restorer.reading.span

    def begun(self) -> Tensor:
        """Return what can be had at once, without an update: `first`, or better."""
        if not self.noisy:
            return self.projected(self.first)
        return self.first if self.restorer.reading == self.usual else self.seen()

    def in_words(self, projected: float | None = None, *, tuned: bool = False) -> str:
        """Return what was found, and what follows for how the network is used (see `ConsistencyReport`)."""
        words = [self.verdict.in_words(projected, tuned=tuned)]
        if self.restorer.reading != self.usual:
            words.append(f"It is shown {self.contrast:.2g} times the contrast, as that suits the noise.")
        if self.noisy and not self.view.fair:
            words.append("The noise is cut off nearly everywhere: only made pictures can teach the network.")
        return " ".join(words)

    def seen(self) -> Tensor:
        """Return what the network makes of the data now."""
        return _made(self.restorer, self.view)

    def projected(self, x: Tensor) -> Tensor:
        """Return an image near x that explains the data, as far as they bear it."""
        return projected(self.view.problem, x, self.verdict.explained)

    def last(self, *, self_ensemble: bool) -> Tensor:
        """Return the restored image with the weights as they are now.

        Parameters
        ----------
        self_ensemble : bool
            Take the mean over the eight ways to turn and mirror the data.
        """
        x = _made(self.restorer, self.view, all_ways if self_ensemble else in_tiles)
        return x if self.noisy else self.projected(x)


def _made(
    restorer: Restorer, view: PatchSampler, way: Callable[[Restorer, Tensor], Tensor] = in_tiles
) -> Tensor:
    """Return what a network makes of data, on the problem's grid."""
    return view.whole.x(way(restorer, view.whole.shown))

"""What a restored image says of itself: plain numbers, which provenance can hold."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt

#: Digits of a number: more than any of them is worth.
_DIGITS = 4
#: Number of peaks that provenance holds.
_RECORDED = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that was estimated, with its standard error.

    Parameters
    ----------
    value : float
        The number.
    error : float
        Its standard error.
    """

    value: float
    error: Annotated[float, Ge(0)]

    @classmethod
    def of(cls, value: float, error: float) -> "Estimate | None":
        """Return an estimate in a few digits, or None if one of the numbers is infinite or NaN."""
        if not (math.isfinite(value) and math.isfinite(error)):
            return None
        return cls(_rounded(value), _rounded(abs(error)))

    def __str__(self) -> str:
        digits = 3 if self.error <= 0 else min(max(-math.floor(math.log10(self.error)), 0), 3)
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Misfit:
    """χ², the mean of (y − A x)² / variance of the noise, which is 1 for the truth.

    Parameters
    ----------
    pixels : int
        The number of pixels that were compared.
    whole : Estimate
        χ² of all of them.
    quiet, bright, steep : Estimate, optional
        χ² where the restored image is smooth (the half with the smallest gradient), bright (the brightest
        twentieth) and steep (the twentieth with the largest gradient). None for too few pixels.
    """

    pixels: Annotated[int, Ge(0)]
    whole: Estimate
    quiet: Estimate | None = None
    bright: Estimate | None = None
    steep: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of the residual with itself, a pixel and two pixels further along one axis.

    Parameters
    ----------
    lag_1, lag_2 : Estimate
        Correlation coefficients, from −1 to 1.
    """

    lag_1: Estimate
    lag_2: Estimate


@dataclass(frozen=True, slots=True)
class Minimum:
    """Was the minimum of the error on held-out pixels clear?

    Parameters
    ----------
    rise : Estimate
        How much larger the error was at the end of the run than at its minimum: the mean of the difference of
        (y − A x)² / variance.
    change : float
        Root mean square of the difference between the two images, in standard deviations of the noise.
    """

    rise: Estimate
    change: Annotated[float, Ge(0)]

    @property
    def clear(self) -> bool:
        """Whether the error had risen by more than two standard errors."""
        return self.rise.value > 2 * self.rise.error


@dataclass(frozen=True, slots=True)
class Peak:
    """A place where the residual stands out from its surroundings.

    Parameters
    ----------
    position : tuple of int
        Its pixel along the spatial axes of the data.
    channel : int
        Its channel.
    significance : float
        Its height in standard errors; negative if the residual is darker there.
    width : float
        Standard deviation of the Gaussian that fits it best, in pixels.
    """

    position: tuple[Annotated[int, Ge(0)], ...]
    channel: Annotated[int, Ge(0)]
    significance: float
    width: Annotated[float, Gt(0)]


@dataclass(frozen=True)
class Diagnostics:
    """How far a restored image can be trusted, as far as its residual y − A x tells.

    Numbers are None where they can't be measured. On large images they are measured in blocks of at most a
    million pixels together.

    Parameters
    ----------
    verdict : str
        Whether the residual is consistent with the noise, in a sentence.
    findings : tuple of str
        What else was found in the residual and at the end of the run, and what to do about it, in sentences.
    consistent : bool, optional
        Whether nothing but noise was found in the residual. None if that can't be told.
    noise : str
        The noise with which the residual was compared, in words.
    noise_from : {"task", "data", "nothing"}
        Where that noise comes from: it was told, it was measured in the data, or it is unknown.
    white : bool, optional
        Whether the noise in the data is independent from pixel to pixel, as far as a test of them tells.
    unseen : Misfit, optional
        χ² on pixels that no part of the run has seen, for the image as it was without them. It is 1 plus the
        mean square error of that image, in units of the variance of the noise.
    fitted : Misfit, optional
        χ² on the pixels that the restored image has seen.
    expected : tuple of (float, float), optional
        Between which values χ² of a good estimate lies on fitted pixels. It follows the noise by as much as
        it errs, so this is between 1 minus its mean square error, two standard errors above what was measured
        on unseen pixels, and 1.
    relative_error : Estimate, optional
        Root mean square error of A x in standard deviations of the noise, from the unseen pixels.
    correlations : tuple of Correlation
        Of the residual with itself, along each spatial axis.
    contrast_loss : Estimate, optional
        The share of the contrast of fine structure that is missing: on unseen pixels, the regression of the
        residual on A x less a blurred copy of it, where that exceeds the noise.
    flux_ratio : Estimate, optional
        The light of bright places in A x divided by their light in the data, both above the background.
    peaks : tuple of Peak
        Places where the residual stands out by more than 5 standard errors, the most significant first; at
        most a hundred of them.
    peak_count : int, optional
        The number of all such places. None if they were not looked for.
    minimum : Minimum, optional
        Whether the run had passed a clear minimum of the error on held-out pixels.
    """

    verdict: str
    findings: tuple[str, ...] = ()
    consistent: bool | None = None
    noise: str = ""
    noise_from: Literal["task", "data", "nothing"] = "nothing"
    white: bool | None = None
    unseen: Misfit | None = None
    fitted: Misfit | None = None
    expected: tuple[float, ...] | None = None
    relative_error: Estimate | None = None
    correlations: tuple[Correlation, ...] = ()
    contrast_loss: Estimate | None = None
    flux_ratio: Estimate | None = None
    peaks: tuple[Peak, ...] = ()
    peak_count: Annotated[int, Ge(0)] | None = None
    minimum: Minimum | None = None

    @property
    def in_words(self) -> str:
        """The verdict and the findings."""
        return " ".join([self.verdict, *self.findings])

    def to_dict(self) -> dict[str, Any]:
        """Return what was measured as plain JSON values. Of many peaks only the first are kept."""
        known: dict[str, Any] = _without_none(asdict(replace(self, peaks=self.peaks[:_RECORDED])))
        return known


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_none(one) for name, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, tuple) else value


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")

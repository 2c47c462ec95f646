"""The numbers of a diagnosis as rows of a table."""

from collections.abc import Iterator
from dataclasses import dataclass

from napari_dip.diagnostics.report import Diagnostics, Misfit

#: Where noise comes from, in words.
_ORIGIN = {"task": "as told", "data": "measured in the data", "nothing": ""}
_PLACES = ("quiet", "bright", "steep")


@dataclass(frozen=True, slots=True)
class Row:
    """One number of a diagnosis.

    Parameters
    ----------
    name : str
        What it is.
    value : str
        Its value, with its standard error.
    wanted : str
        What noise alone would give, if that can be said.
    meaning : str
        What it tells, in a sentence.
    """

    name: str
    value: str
    wanted: str
    meaning: str


def rows_of(found: Diagnostics) -> list[Row]:
    """Return what was measured, one row for each number."""
    return list(_rows(found))


def _rows(found: Diagnostics) -> Iterator[Row]:
    if found.noise:
        origin = _ORIGIN[found.noise_from]
        yield Row(
            "Noise",
            f"{found.noise} ({origin})" if origin else found.noise,
            "",
            "The noise with which the residual is compared.",
        )
    if found.unseen is not None:
        yield from _misfit(
            "χ², unseen pixels",
            found.unseen,
            "1 or a little more",
            "Mean square of the residual over the variance of the noise, on pixels that the fit has not "
            "seen. It exceeds 1 by the error of the restored image.",
        )
    if found.fitted is not None:
        low = None if found.expected is None else found.expected[0]
        yield from _misfit(
            "χ², fitted pixels",
            found.fitted,
            "1 or less" if low is None else f"{low:.2f} to 1",
            "The same on pixels that the restored image has seen. A good estimate follows their noise by as "
            "much as it errs.",
        )
    if found.relative_error is not None:
        yield Row(
            "Error / noise",
            str(found.relative_error),
            "small",
            "Root mean square error of the restored image, in standard deviations of the noise.",
        )
    for name, axis in zip("ZYX"[-len(found.correlations) :], found.correlations, strict=False):
        yield Row(
            f"Correlation along {name}",
            f"{str(axis.lag_1).split()[0]}, {axis.lag_2}",
            "0 or less",
            "Correlation of the residual with itself, one and two pixels further. Structure that is missing "
            "from the restored image, or correlated noise, makes it positive.",
        )
    if found.contrast_loss is not None:
        yield Row(
            "Contrast lost",
            _percent(found.contrast_loss.value, found.contrast_loss.error),
            "0 %",
            "Share of the contrast of fine structure that the restored image lacks. It is negative if the "
            "image is sharper than the data.",
        )
    if found.flux_ratio is not None:
        yield Row(
            "Light kept",
            _percent(found.flux_ratio.value, found.flux_ratio.error),
            "100 %",
            "Light of bright places in the restored image over their light in the data, both above the "
            "background.",
        )
    if found.peak_count is not None:
        yield Row(
            "Peaks left",
            str(found.peak_count),
            "0",
            "Number of places where the residual stands out from its surroundings by more than 5 standard "
            "errors.",
        )
    if found.minimum is not None:
        yield Row(
            "Minimum of the error",
            "clear" if found.minimum.clear else "not clear",
            "clear",
            "Whether the error on held-out pixels had risen by more than two standard errors when the run "
            "ended.",
        )


def _misfit(name: str, misfit: Misfit, wanted: str, meaning: str) -> Iterator[Row]:
    yield Row(name, str(misfit.whole), wanted, meaning)
    for place in _PLACES:
        one = getattr(misfit, place)
        if one is not None:
            yield Row(f"  in {place} places", str(one), wanted, meaning)


def _percent(value: float, error: float) -> str:
    digits = 0 if error >= 0.005 else 1
    return f"{100 * value:.{digits}f} ± {100 * error:.{digits}f} %".replace("-", "−")

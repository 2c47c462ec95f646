"""Collects the answers of a run into an image, and reports how each came about."""

import platform
import time
import warnings
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_dip._version import __version__
from napari_dip.device import release
from napari_dip.errors import RestorationError, translated_errors
from napari_dip.optim.iterate import Iterate, PixelErrors
from napari_dip.optim.stopping import MaxIterations, StoppingRule, StopRequested
from napari_dip.restoration.environment import own_environment
from napari_dip.restoration.frame_report import FrameReport
from napari_dip.restoration.result import Restoration, RestoredMap
from napari_dip.restoration.text import frame_name
from napari_dip.restoration.uncertainty import Uncertainty
from napari_dip.settings import to_dict

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.diagnostics.report import Diagnostics
    from napari_dip.restoration.run import SeriesRun

#: Frames that a warning names one by one.
_NAMED = 3


class FailedFramesWarning(UserWarning):
    """Some frames of a series could not be restored, and are NaN in the result."""


def restoring(
    run: "SeriesRun", *, return_maps: bool = False, on_error: Literal["record", "raise"] = "record"
) -> Generator[Iterate, None, Restoration]:
    """Yield the iterates of a run, and return what `restore` returns.

    Parameters
    ----------
    run : SeriesRun
        The run, which has not begun.
    return_maps : bool
        Return the maps of the parameters too, where the method has any.
    on_error : {"record", "raise"}
        What to do when a frame of a series fails, as for `restore`.
    """
    with translated_errors():
        collector = _Collector(run, return_maps=return_maps)
    stream = run.solve()
    try:
        for iterate in stream:
            collector.take(iterate)
            yield iterate
            if iterate.error is not None and on_error == "raise":
                raise _with_finished(iterate, collector.restoration())
        restoration = collector.restoration()
    finally:
        stream.close()
        iterate = None  # type: ignore[assignment]  # it holds tensors of the device
        release(run.device)
    if restoration.failed:
        warnings.warn(_failures(restoration), FailedFramesWarning, stacklevel=2)
    return restoration


class _Collector:
    """Puts the answer of each frame into place."""

    def __init__(self, run: "SeriesRun", *, return_maps: bool) -> None:
        self._run, self._return_maps = run, return_maps
        self._image = np.full(run.series.restored_shape, np.nan, np.float32)
        kept = run.method.yields_network_output
        self._network_output = np.full_like(self._image, np.nan) if kept else None
        self._sources: np.ndarray | None = None
        self._errors = _Errors()
        self._reports: list[FrameReport] = []
        self._maps: dict[str, RestoredMap] = {}
        self._states: dict[tuple[int, ...], Any] = {}
        self._frame: tuple[int, ...] | None = None
        self._diagnose: Callable[[], Diagnostics] | None = None  # the answer of the present frame
        self._output_taken = False
        self._began = self._ended = time.monotonic()

    def take(self, iterate: Iterate) -> None:
        """Keep what is worth keeping of an iterate."""
        axes = self._run.series.axes
        if iterate.frame != self._frame:
            self._diagnose_frame()
            self._frame, self._began, self._output_taken = iterate.frame, self._ended, False
        if self._network_output is not None and not (self._output_taken or iterate.preparing):
            self._network_output = _put(self._network_output, axes.at(iterate.frame), iterate.x)
            self._output_taken = True
        if iterate.outcome is None:
            return
        # A frame may be answered twice, the second time with an earlier and better iterate.
        if self._reports and self._reports[-1].index == iterate.frame:
            self._reports.pop()
        self._image = _put(self._image, axes.at(iterate.frame), iterate.x)
        if iterate.sources is not None:
            if self._sources is None:
                self._sources = np.zeros_like(self._image, np.float32)
            self._sources[axes.at(iterate.frame)] = iterate.sources.cpu().numpy()
        if iterate.errors is not None:
            self._errors.take(iterate.errors, axes.at(iterate.frame), self._image.shape)
        self._reports.append(self._report(iterate))
        self._diagnose = iterate.diagnose
        if iterate.state is not None:
            self._states[iterate.frame] = iterate.state
        if self._return_maps:
            self._take_maps(iterate)

    def restoration(self) -> Restoration:
        """Return all that was collected."""
        self._diagnose_frame()
        reports = tuple(self._reports)
        return Restoration(
            self._image,
            reports,
            _provenance(self._run, reports),
            self._maps,
            self._network_output,
            self._states,
            self._sources,
            self._errors.uncertainty(self._image),
        )

    def _report(self, answer: Iterate) -> FrameReport:
        assert answer.outcome is not None
        self._ended = time.monotonic()
        return FrameReport(
            answer.frame,
            answer.outcome,
            answer.index,
            answer.score,
            round(self._ended - self._began, 3),
            answer.criterion,
            answer.note,
            answer.measured_noise,
            None if answer.error is None else str(answer.error) or type(answer.error).__name__,
        )

    def _diagnose_frame(self) -> None:
        """Add to the report of the present frame what its answer is worth, once no better one can follow."""
        diagnose, self._diagnose = self._diagnose, None
        if diagnose is None:
            return
        try:
            with translated_errors(), own_environment(self._run.threads):
                found = diagnose()
        except Exception as error:  # noqa: BLE001  the image is worth more than what can be said of it
            warnings.warn(f"the residual could not be measured: {error}", stacklevel=2)
        else:
            self._reports[-1] = replace(self._reports[-1], diagnostics=found)

    def _take_maps(self, answer: Iterate) -> None:
        axes = self._run.series.axes
        for name, one in answer.maps.items():
            if name not in self._maps:
                whole = [n for axis, n in enumerate(self._image.shape) if axis != axes.channel]
                values = np.full(whole, np.nan, np.float32)
                self._maps[name] = RestoredMap(values, one.meaning, one.unit, one.low, one.high, one.neutral)
            place = tuple(n for axis, n in enumerate(axes.at(answer.frame)) if axis != axes.channel)
            with own_environment(self._run.threads):
                self._maps[name].values[place] = one.compute().cpu().numpy()


class _Errors:
    """Puts the errors of each frame into place."""

    def __init__(self) -> None:
        self._standard_error: np.ndarray | None = None
        self._noise_std: np.ndarray | None = None
        self._scores: list[np.ndarray] = []

    def take(self, errors: PixelErrors, at: tuple[int | slice, ...], shape: tuple[int, ...]) -> None:
        """Keep the errors of a frame."""
        if self._standard_error is None or self._noise_std is None:
            self._standard_error, self._noise_std = (np.full(shape, np.nan, np.float32) for _ in range(2))
        self._standard_error[at] = errors.standard_error.cpu().numpy()
        self._noise_std[at] = errors.noise_std.cpu().numpy()
        self._scores.append(errors.scores)

    def uncertainty(self, image: np.ndarray) -> Uncertainty | None:
        """Return the uncertainty of the whole image, or None if there is none."""
        if self._standard_error is None or self._noise_std is None:
            return None
        scores = np.sort(np.concatenate(self._scores))
        return Uncertainty(image, self._standard_error, self._noise_std, scores)


def _put(image: np.ndarray, at: tuple[int | slice, ...], x: "Tensor") -> np.ndarray:
    """Put a frame into an image, and return the image; one frame in float64 makes all of it so."""
    values = x.cpu().numpy()
    image = image.astype(np.result_type(image, values), copy=False)
    image[at] = values
    return image


def _provenance(run: "SeriesRun", reports: tuple[FrameReport, ...]) -> dict[str, Any]:
    """Return all that the run depended on, and how it ended, as plain JSON values."""
    import torch

    series, rule = run.series, run.stopping_rule
    level = series.measurement.saturation_level
    return {
        "napari-dip": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "task": to_dict(series.task),
        "method": to_dict(run.method),
        "axes": series.axes.letters,
        "channels": series.axes.channels,
        "device": run.device,
        "seed": run.seed,
        "threads": torch.get_num_threads() if run.threads is None else run.threads,
        "shape": list(series.measurement.shape),
        "saturation_level": None if level is None else float(level),
        "noise_std": series.measurement.noise_std is not None,
        "series": series.following,
        "uncertainty": run.uncertainty,
        "stop_after": _stop_after(rule),
        "own_rules": [
            type(part).__name__
            for part in (rule.parts() if rule is not None else ())
            if type(part).__module__ != StoppingRule.__module__
        ],
        "frames": [report.to_dict() for report in reports],
    }


def _stop_after(rule: StoppingRule | None) -> int | None:
    """Return after how many iterations a rule ends each frame, if nobody asks for it earlier."""
    parts = () if rule is None else rule.parts()
    own = [part for part in parts if not isinstance(part, StopRequested)]
    return own[0].iterations if len(own) == 1 and isinstance(own[0], MaxIterations) else None


def _with_finished(failed: Iterate, finished: Restoration) -> RestorationError:
    """Return the error of a frame, which holds the frames that were finished before it."""
    assert failed.error is not None
    error = RestorationError(f"{frame_name(failed.frame)} could not be restored: {failed.error}")
    error.finished = finished
    error.__cause__ = failed.error
    return error


def _failures(restoration: Restoration) -> str:
    """Return in words which frames failed, and why."""
    failed = restoration.failed
    named = "; ".join(f"{frame_name(report.index)}: {report.error}" for report in failed[:_NAMED])
    more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"{len(failed)} of {len(restoration.frames)} frames could not be restored ({named}{more})"

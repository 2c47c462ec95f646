"""Applies a fine-tuned network again, with part of what it learnt, or saves it."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.device import Device, choose
from napari_dip.errors import translated_errors
from napari_dip.restoration.environment import own_environment
from napari_dip.restoration.series import Following, Series
from napari_dip.settings import to_dict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_dip.finetuning.session import Session
    from napari_dip.methods import FineTune
    from napari_dip.pretrained.model import Pretrained
    from napari_dip.restoration.frame import Frame
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.tasks import Task

Index = tuple[int, ...]
Weights = Mapping[str, "Tensor"]


class Readapt:
    """A run with a pretrained network that can be repeated without tuning it again.

    Parameters
    ----------
    measurement, task, method, device, series
        As for `solve`. Nothing is read before it is needed; the network is read once.
    states : mapping of tuple of int to mapping of str to Tensor
        The weights that the run came to, by frame: `Restoration.states`.
    """

    def __init__(
        self,
        measurement: "Measurement | ArrayLike",
        task: "Task",
        method: "FineTune",
        states: Mapping[Index, Weights],
        *,
        device: Device = "auto",
        series: Following = "warm_start",
    ) -> None:
        self._measurement, self._task, self._states = measurement, task, states
        self._given, self._device, self._following = method, device, series
        self._last: tuple[Index, Frame, Session] | None = None

    def restored(self, share: float) -> Iterator[tuple[Index, np.ndarray]]:
        """Yield each frame whose weights the run changed, restored with part of the change.

        Parameters
        ----------
        share : float
            Share of what was learnt: 0 is the network as it was given, 1 as it was tuned.
        """
        from napari_dip.steps import finished

        for frame in self._states:
            with translated_errors(), own_environment():
                found, session = self._session(frame)
                session.restorer.network.load_state_dict(self._between(frame, share))
                method = self._method
                image = finished(
                    session.final_image(ensemble=method.self_ensemble, recover_sources=method.recover_sources)
                )
                restored = found.restored(image)
            yield frame, restored.cpu().numpy()

    def save(self, path: Path, frame: Index, share: float = 1.0, *, overwrite: bool = True) -> None:
        """Save the network as it was tuned for a frame, to a file that `FineTune.weights` takes.

        Parameters
        ----------
        path : Path
            A name that ends in .safetensors.
        frame : tuple of int
            Index of the frame.
        share : float
            Share of what was learnt, as for `restored`.
        overwrite : bool
            Replace an existing file.

        Raises
        ------
        FileError
            The file can't be written, or it exists and is not to be replaced.
        """
        from napari_dip.pretrained.files import save

        network = copy.deepcopy(self._pretrained.network)
        network.load_state_dict(self._between(frame, share))
        tuned = {"task": to_dict(self._task), "method": to_dict(self._method), "share": share}
        history = {**self._pretrained.metadata, "tuned": tuned}
        save(replace(self._pretrained, network=network, metadata=history), path, overwrite=overwrite)

    @cached_property
    def _series(self) -> Series:
        with translated_errors(), own_environment():
            return Series.of(self._measurement, self._task, self._given, series=self._following)

    @cached_property
    def _method(self) -> "FineTune":
        """The method with its network loaded, so that the file may change."""
        return replace(self._given, network=self._given.pretrained(self._series.blank))

    @property
    def _pretrained(self) -> "Pretrained":
        found: Pretrained = self._method.network
        return found

    def _session(self, index: Index) -> "tuple[Frame, Session]":
        """Return a frame, and its session as the run began it."""
        if self._last is None or self._last[0] != index:
            self._last = None  # two frames at a time would be one too many
            frame = self._series.frame(index, choose(self._device))
            self._last = index, frame, self._method.session(frame.problem, self._start(index))
        return self._last[1:]

    def _start(self, frame: Index) -> dict[str, "Tensor"]:
        """Return the weights that the run of a frame began with: those of the last frame that learnt any."""
        frames, scene = self._series.frames, self._series.axes.scene
        before = [one for one in frames[: frames.index(frame)] if scene(one) == scene(frame)]
        return self._weights(before if self._series.following != "independent" else [])

    def _end(self, frame: Index) -> dict[str, "Tensor"]:
        """Return the weights that the run of a frame ended with."""
        return dict(self._states[frame]) if frame in self._states else self._start(frame)

    def _weights(self, frames: Sequence[Index]) -> dict[str, "Tensor"]:
        """Return the weights after these frames."""
        learnt = [self._states[frame] for frame in frames if frame in self._states]
        return dict(learnt[-1] if learnt else self._pretrained.network.state_dict())

    def _between(self, frame: Index, share: float) -> dict[str, "Tensor"]:
        first = self._pretrained.network.state_dict()
        return {
            name: first[name].cpu().lerp(tuned, share) if tuned.is_floating_point() else tuned
            for name, tuned in self._end(frame).items()
        }

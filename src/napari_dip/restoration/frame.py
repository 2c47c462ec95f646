"""One frame of a measurement: what its restored image has to explain, and how that is given back."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from napari_dip.image.axes import Axes
from napari_dip.image.units import Units, float32_suffices
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.lower_bound import noise_lower_bound
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.noise.second_difference import immerkaer_sigma
from napari_dip.restoration.checks import refuse_noise, refuse_noise_std
from napari_dip.restoration.empty import Empty, empty_channels
from napari_dip.restoration.floor import Floor, chosen_floor
from napari_dip.restoration.stripes import without_stripes

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.operators import Operator
    from napari_dip.problem import Problem
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.tasks import Task

#: Share of the range that counts as noise in any case.
_CURVATURE = 2e-5
#: Side of the middle of a frame in which the noise is measured, in pixels.
_SIDE = 512


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame as a problem in working units, and the way back to grey levels.

    Parameters
    ----------
    task : Task
        What is to be undone, in working units.
    axes : Axes
        The axes of the image.
    whole : Problem
        What the restored image has to explain, with all channels.
    values : ndarray, shape ``(C, *spatial)``
        The grey levels as they were measured.
    empty : dict of int to Empty
        Channels that pass through, and why.
    dtype : torch.dtype
        float32, or float64 where the steps of float32 would show.
    stripes : str
        What was taken off the data as stripes, in a sentence.
    floor_note : str
        Which floor was chosen for the image, in a sentence.
    """

    task: "Task"
    axes: Axes
    whole: "Problem"
    values: np.ndarray
    empty: dict[int, Empty]
    dtype: torch.dtype
    stripes: str = ""
    floor_note: str = ""

    @classmethod
    def read(
        cls,
        measurement: "Measurement",
        index: tuple[int, ...],
        axes: Axes,
        task: "Task",
        operator: "Operator",
        *,
        with_offset: bool,
        device: str = "cpu",
    ) -> Self:
        """Read a frame.

        Parameters
        ----------
        measurement : Measurement
            What was measured.
        index : tuple of int
            Index of the frame along the frame axes.
        axes : Axes
            The axes of the image as the method goes through them.
        task : Task
            What is to be undone, in grey levels.
        operator : Operator
            A.
        with_offset : bool
            Whether A leaves a constant as it is, so that an offset may be taken off.
        device : str
            Where to compute.

        Raises
        ------
        InputError
            The noise does not fit the image.
        """
        at = axes.at(index)
        read, hidden = (axes.channels_first(part) for part in measurement.read(at))
        several = bool(axes.frame_axes) or len(read) > 1
        unknown = not task.noise.known and measurement.noise_std is None
        empty = empty_channels(
            read, ~hidden, noiseless=task.needs_noise and several and unknown, constant=with_offset
        )
        # What passes through has no influence on the others.
        chosen = [channel for channel in range(len(read)) if channel not in empty] or slice(None)
        units = Units.of(read[chosen][~hidden[chosen]], with_offset=with_offset)
        working = np.where(hidden, np.float32(0), units.to_working(read))
        refuse_noise(task.noise, units, working[chosen][~hidden[chosen]])

        def batch(array: np.ndarray) -> "Tensor":
            return torch.from_numpy(np.ascontiguousarray(array))[None]

        inside = task.in_units(units)
        problem = inside.problem(batch(working), operator, batch((~hidden).astype(np.float32)))
        problem = replace(problem, units=units)
        std = measurement.read_noise_std(at)
        if std is not None:
            std = axes.channels_first(std)
            refuse_noise_std(std[~hidden], task)
            sigma = np.where(hidden, 1.0, std / units.scale).astype(np.float32)
            problem = replace(problem, noise=PerPixelNoise(batch(sigma)))
        problem, stripes = without_stripes(problem)
        floor = chosen_floor(problem) if task.chooses_floor else Floor(problem.floor, "")
        problem = replace(problem, floor=floor.level)
        made = cls(inside, axes, problem.to(device), read, empty, torch.float64, stripes, floor.note)
        return replace(made, dtype=torch.float32) if made._float32_suffices else made

    @cached_property
    def channels(self) -> list[int]:
        """The channels that are restored; none if there is nothing to restore."""
        return [c for c in range(self.whole.data.shape[1]) if c not in self.empty]

    @cached_property
    def problem(self) -> "Problem":
        """What the restored channels have to explain."""
        return self.whole.of_channels(self.channels) if self.empty else self.whole

    def restored(self, x: "Tensor | None" = None) -> "Tensor":
        """Return the restored frame in grey levels, with the axes of the image.

        Parameters
        ----------
        x : Tensor, shape ``(1, C, *grid)``, optional
            The restored channels, in working units; None if all channels pass through.
        """
        parts: dict[int, Tensor] = {}
        if x is not None:
            finished = self.task.finish(x, self.problem)
            grey = self.whole.units.to_grey(finished)
            if self.whole.only_missing:
                seen = (self.problem.weights > 0).to(grey.device)
                grey = torch.where(seen, self._measured[:, self.channels].to(grey.device), grey)
            parts = dict(zip(self.channels, grey.split(1, 1), strict=True))
        shape = (1, 1, *self.task.grid(tuple(self.whole.data.shape[2:])).shape)
        for channel, kind in self.empty.items():
            parts[channel] = self._passed(channel, kind).expand(shape)
        device = parts[(self.channels or [0])[0]].device
        whole = torch.cat([parts[channel].to(device, self.dtype) for channel in sorted(parts)], 1)
        return self.axes.from_batch(whole)

    def difference(self, d: "Tensor") -> "Tensor":
        """Return a difference of restored images in grey levels, with the axes of the image.

        Parameters
        ----------
        d : Tensor, shape ``(1, C, *grid)``
            A difference of the restored channels, in working units. It is 0 in channels that pass through.
        """
        inside = self.task.part(d, self.problem)
        whole = inside.new_zeros((1, self.whole.data.shape[1], *inside.shape[2:]))
        whole[:, self.channels] = inside * self.whole.units.scale
        return self.axes.from_batch(whole)

    @property
    def blank(self) -> Empty | None:
        """Why nothing in the frame could be restored; None if something was, or if it has no noise."""
        kinds = set(self.empty.values())
        return None if self.channels or Empty.NOISELESS in kinds else min(kinds, key=lambda kind: kind.name)

    @property
    def note(self) -> str:
        """What the user should know of stripes and of channels that pass through, in sentences."""
        if not self.channels and len(kinds := set(self.empty.values())) == 1:
            return kinds.pop().value
        passing = (f"Channel {channel}: {kind.value}" for channel, kind in self.empty.items())
        return " ".join(filter(None, (self.stripes, *passing)))

    def note_on(self, x: "Tensor") -> str:
        """Return what the user should know of an answer: the floor that was chosen, if it has it, and `note`.

        Parameters
        ----------
        x : Tensor, shape ``(1, C, *grid)``
            The restored channels, in working units.
        """
        floor = self.problem.floor
        kept = floor is None or bool(x.min() >= floor - 1e-6 * abs(floor))  # linear filters have no floor
        return " ".join(note for note in (self.floor_note if kept else "", self.note) if note)

    def middle_plane(self, channel: int, side: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Return the middle of a channel's middle plane in grey levels, as they were measured.

        Parameters
        ----------
        channel : int
            Number of the channel.
        side : int
            Largest side, in pixels.

        Returns
        -------
        (ndarray of float64, ndarray of bool, (int, int))
            Grey levels, where they are observed, and the place of the first pixel in the plane.
        """
        seen = self._seen[0, channel].numpy()
        plane = tuple(n // 2 for n in seen.shape[:-2])
        top, left = (max(0, n - side) // 2 for n in seen.shape[-2:])
        part = (slice(top, top + side), slice(left, left + side))
        values = self.values[channel][plane][part].astype(np.float64)
        return values, seen[plane][part], (top, left)

    @property
    def _seen(self) -> "Tensor":
        """Where pixels are observed, on the CPU, shape ``(1, C, *spatial)``."""
        return (self.whole.weights > 0).expand_as(self.whole.data).cpu()

    @cached_property
    def _measured(self) -> "Tensor":
        """The grey levels as they were measured, in float64, shape ``(1, C, *spatial)``."""
        return torch.from_numpy(self.values.astype(np.float64))[None]

    def _passed(self, channel: int, kind: Empty) -> "Tensor":
        """Return what is given back of a channel that passes through, in float64."""
        values = self._measured[:, [channel]]
        if kind is Empty.NOISELESS:
            return values
        one = (1,) * values.ndim
        if kind is Empty.MISSING:
            return torch.full(one, torch.nan, dtype=torch.float64)
        return values[self._seen[:, [channel]]][0].reshape(one)

    @property
    def _float32_suffices(self) -> bool:
        """Whether float32 holds the restored image: as finely as the noise asks for, or exactly."""
        seen = self._seen
        levels = self._measured[seen]
        if not levels.numel():
            return True
        # Inpainting gives observed pixels back exactly, and what passes through is a number of the image.
        passing = list(self.empty) if self.values.dtype.kind in "iu" else []
        kept = levels if self.whole.only_missing else self._measured[:, passing][seen[:, passing]]
        if bool((kept.float().double() != kept).any()):
            return False
        sigma = _noise(self.whole) * self.whole.units.scale
        return float32_suffices(float(levels.abs().max()), sigma)


def _noise(problem: "Problem") -> float:
    """Return the standard deviation of the noise where it is weakest."""
    if problem.noise.known:
        return float(problem.noise.variance(problem.data).min().sqrt())
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    channels = zip(problem.data[0].double().cpu().numpy(), seen, strict=True)
    return min(_channel_noise(data, there) for data, there in channels if there.any())


def _channel_noise(data: np.ndarray, seen: np.ndarray) -> float:
    """Return the standard deviation of the noise in the middle of a channel, never 0."""
    observed = data[seen]
    inner = tuple(slice(max(0, n - _SIDE) // 2, (n + _SIDE) // 2) for n in data.shape)
    data, seen = data[inner], seen[inner]
    if seen.all():
        sigma = immerkaer_sigma(data)
    else:
        plane = (data.shape[0] // 2,) * (data.ndim - 2)
        sigma = noise_lower_bound(data[plane], seen[plane])
    # Where an image has no noise, what looks like it is curvature, which float32 holds well.
    return max(positive_sigma(sigma, observed), _CURVATURE * Units.of(observed).range)

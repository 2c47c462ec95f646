"""One image, one kernel, and the parameters at each of its pixels."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from napari_dip.errors import InputError
from napari_dip.image.fill import nearest
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Predictor, decoded


@dataclass(frozen=True, eq=False)
class Filtering:
    """What a kernel makes of one image; computed tile by tile, when it is asked for.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    observation : Observation
        The image, with N = 1.
    raw : Tensor, shape ``(1, P, ⌈H / coarse⌉, ⌈W / coarse⌉)``, optional
        Encoded parameters, as they were predicted.
    maps : Tensor, shape ``(1, P, factor H, factor W)``, optional
        Or the parameters themselves, in their units.
    strength : float
        How far parameters are taken from those that leave the image as it is: 0 not at all, 1 as predicted.
    """

    kernel: ProceduralKernel
    observation: Observation
    raw: Tensor | None = None
    maps: Tensor | None = None
    strength: float = 1.0

    @classmethod
    def predicted(
        cls, kernel: ProceduralKernel, observation: Observation, predictor: Predictor, strength: float = 1.0
    ) -> Self:
        """Ask a predictor for the parameters."""
        observation = _without_missing(kernel, observation)
        whole = replace(observation, seen=None)  # filled in already: a predictor need not do it again
        with torch.no_grad():
            return cls(kernel, observation, predictor(whole).detach(), strength=strength)

    @classmethod
    def given(
        cls,
        kernel: ProceduralKernel,
        observation: Observation,
        maps: Mapping[str, Tensor],
        strength: float = 1.0,
    ) -> Self:
        """Take the parameters as they are given, by name, each of the result's shape ``(H, W)``.

        Values beyond a parameter's limits are brought to these; a warning says how many.

        Raises
        ------
        InputError
            One is absent, unknown, of another shape, or not finite.
        """
        filtering = cls(kernel, _without_missing(kernel, observation), strength=strength)
        names = [parameter.name for parameter in kernel.parameters]
        if set(maps) != set(names):
            raise InputError(
                "parameter_maps",
                f"{kernel.title} has the maps {', '.join(names)}, got {', '.join(maps) or 'none'}",
            )
        values = []
        for parameter in kernel.parameters:
            one = maps[parameter.name].to(observation.image)
            if tuple(one.shape) != filtering.shape:
                raise InputError(
                    "parameter_maps",
                    f"the map {parameter.name} must have the shape {filtering.shape} of the restored image, "
                    f"got {tuple(one.shape)}",
                )
            if not one.isfinite().all():
                raise InputError("parameter_maps", f"the map {parameter.name} must be finite everywhere")
            if beyond := int(((one < parameter.low) | (one > parameter.high)).sum()):
                warnings.warn(
                    f"{beyond} values of the map {parameter.name} lay beyond its limits, {parameter.low:g} "
                    f"and {parameter.high:g}, and were brought to these",
                    stacklevel=2,
                )
            values.append(one.clamp(parameter.low, parameter.high))
        return replace(filtering, maps=torch.stack(values)[None])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        height, width = self.observation.image.shape[2:]
        return self.kernel.factor * height, self.kernel.factor * width

    def parameters(self, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Return the parameters of a part of the result, by default of all of it, shape ``(1, P, ...)``."""
        part = tuple(slice(*one.indices(n)) for one, n in zip((rows, columns), self.shape, strict=True))
        if self.maps is not None:
            maps = self.maps[:, :, *part]
        else:
            assert self.raw is not None
            maps = decoded(self.kernel, self.raw, *part)
        return maps if self.strength == 1 else self.kernel.scaled(maps, self.strength)

    def image(self) -> tuple[Tensor, int]:
        """Return the filtered image, shape ``(1, C, factor H, factor W)``, and how many pixels see nothing.

        Those, with no observed pixel in reach, have the value of the nearest one.
        """
        with torch.no_grad():
            channels = self.observation.image.shape[1]
            image = self.observation.image.new_empty(1, channels, *self.shape)
            for part, tile in self.kernel.in_tiles(self.kernel.apply, self.observation, self.parameters):
                image[:, :, *part] = tile
        if self.observation.seen is None:
            return image, 0
        blind = image.isnan()
        count = int(blind.any(1).sum())
        return (nearest(image, ~blind) if count else image), count

    def noise_left(self) -> Tensor:
        """Return the share of the noise's standard deviation that is left, shape ``(factor H, factor W)``."""
        with torch.no_grad():
            left = self.observation.image.new_empty(self.shape)
            for part, tile in self.kernel.in_tiles(self.kernel.noise_left, self.observation, self.parameters):
                left[part] = tile[0, 0]
        return left

    def weights_at(self, row: int, column: int) -> Tensor:
        """Return what each pixel around one of the result counts for it (see the kernel)."""
        return self.kernel.weights_at(self.observation, self.parameters, row, column)


def _without_missing(kernel: ProceduralKernel, observation: Observation) -> Observation:
    """Fill missing pixels in: grey-level distances see them, though no sum does.

    For what sharpens they are then as good as observed: it has no weights to leave them out by.
    """
    if observation.seen is None:
        return observation
    seen = None if kernel.purpose == "deblur" else observation.seen
    return replace(observation, image=observation.filled(), seen=seen)

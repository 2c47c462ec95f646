"""One image, one kernel, and the kernel's parameters at each pixel."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from napari_dip.errors import InputError
from napari_dip.image.fill import nearest
from napari_dip.pkn.components import channels, components
from napari_dip.pkn.filter import decoded, interpolated
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.network import ParameterNetwork
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.orientations import ORIENTATIONS
from napari_dip.pkn.predictors import Predictor, StructureTensor
from napari_dip.steps import Steps, finished


@dataclass(frozen=True, eq=False)
class Filtering:
    """A kernel applied to one image. Results are computed on demand, tile by tile.

    It is applied M times: to the image as a whole (M = 1), or to the brightness and the colour differences
    of C channels, each with its own parameters (M = C).

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    observation : Observation
        The image, with N = 1.
    raw : Tensor, shape ``(M, P, ⌈H / stride⌉, ⌈W / stride⌉)``, optional
        Encoded parameters, as they were predicted.
    maps : Tensor, shape ``(M, P, factor H, factor W)``, optional
        The parameters themselves, in their units, in place of `raw`.
    strength : float
        Distance of the applied parameters from those that leave the image unchanged: 0 is no filter, 1
        applies the parameters as they were predicted.
    self_ensemble : bool
        Whether a mirrored image gives the mirrored result, down to pixels that several others are nearest to.
    apart : Observation, optional
        The brightness and the colour differences, as M images of one channel, if they are filtered apart.
    """

    kernel: ProceduralKernel
    observation: Observation
    raw: Tensor | None = None
    maps: Tensor | None = None
    strength: float = 1.0
    self_ensemble: bool = False
    apart: Observation | None = None

    @classmethod
    def predicted(
        cls, kernel: ProceduralKernel, observation: Observation, predictor: Predictor, strength: float = 1.0
    ) -> Self:
        """Return the kernel with predicted parameters."""
        return finished(cls.predicting(kernel, observation, predictor, strength))

    @classmethod
    @torch.no_grad()
    def predicting(
        cls,
        kernel: ProceduralKernel,
        observation: Observation,
        predictor: Predictor,
        strength: float = 1.0,
        *,
        self_ensemble: bool = False,
        separate_colours: bool = False,
    ) -> Steps[Self]:
        """Do what `predicted` does, in steps.

        With `self_ensemble`, the encoded parameters are averaged over the eight orientations of the image.
        """
        observation = _filled(kernel, observation)
        filtering = cls(
            kernel,
            observation,
            strength=strength,
            self_ensemble=self_ensemble,
            apart=_apart(kernel, observation) if separate_colours else None,
        )
        # It is filled already, a predictor need not do it again.
        whole = replace(filtering._filtered, seen=None)
        if not self_ensemble:
            raw = yield from _predicting(predictor, whole)
            return replace(filtering, raw=raw)
        mean = None
        size = [slice(0, n) for n in filtering.shape]
        for orientation in ORIENTATIONS:
            raw = yield from _predicting(predictor, orientation.of_observation(whole))
            # Predictions that lie some pixels apart lie elsewhere in each orientation.
            rows, columns = reversed(size) if orientation.transposed else size
            found = orientation.undone(interpolated(kernel, raw, rows, columns))
            signs = [orientation.sign(parameter.name) for parameter in kernel.parameters]
            found = found * found.new_tensor(signs).view(1, -1, 1, 1) / len(ORIENTATIONS)
            mean = found if mean is None else mean.add_(found)
        assert mean is not None
        return replace(filtering, maps=kernel.decode(mean))

    @classmethod
    def given(
        cls,
        kernel: ProceduralKernel,
        observation: Observation,
        maps: Mapping[str, Tensor],
        strength: float = 1.0,
    ) -> Self:
        """Return the kernel with given parameters: by name, maps of the result's shape ``(H, W)``.

        If there are maps for colour differences, these are filtered apart from the brightness. Values beyond
        a parameter's limits are clipped; a warning says how many.

        Raises
        ------
        InputError
            A map is absent, unknown, of another shape, or not finite.
        """
        filtering = cls(kernel, _filled(kernel, observation), strength=strength)
        apart = replace(filtering, apart=_apart(kernel, filtering.observation))
        if set(maps) == set(apart.named_parameters):
            filtering = apart
        named = filtering.named_parameters
        if set(maps) != set(named):
            raise InputError(
                "parameter_maps",
                f"{kernel.title} needs all of its maps, {', '.join(named)}, and no others; got "
                f"{', '.join(maps) or 'none'}",
            )
        values = []
        for name, parameter in named.items():
            one = maps[name].to(observation.image)
            if tuple(one.shape) != filtering.shape:
                raise InputError(
                    "parameter_maps",
                    f"the map {name} must have the shape {filtering.shape} of the restored image, "
                    f"got {tuple(one.shape)}",
                )
            if not one.isfinite().all():
                raise InputError("parameter_maps", f"the map {name} must be finite everywhere")
            if beyond := int(((one < parameter.low) | (one > parameter.high)).sum()):
                warnings.warn(
                    f"{beyond} values of the map {name} lay beyond its limits, {parameter.low:g} "
                    f"and {parameter.high:g}, and were clipped",
                    stacklevel=2,
                )
            values.append(one.clamp(parameter.low, parameter.high))
        return replace(filtering, maps=torch.stack(values).unflatten(0, (-1, len(kernel.parameters))))

    @property
    def named_parameters(self) -> dict[str, Parameter]:
        """The parameters of the kernel by the names of their maps, those of the brightness first."""
        prefixes = ["", *(f"colour {n} " for n in range(1, len(self._filtered.image)))]
        return {
            prefix + parameter.name: parameter for prefix in prefixes for parameter in self.kernel.parameters
        }

    @property
    def _filtered(self) -> Observation:
        """The M images that the kernel is applied to."""
        return self.observation if self.apart is None else self.apart

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        height, width = self.observation.image.shape[2:]
        return self.kernel.factor * height, self.kernel.factor * width

    def parameters(self, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Return the parameters of a part of the result, by default of all of it, shape ``(M, P, ...)``."""
        part = tuple(slice(*one.indices(n)) for one, n in zip((rows, columns), self.shape, strict=True))
        if self.maps is not None:
            maps = self.maps[:, :, *part]
        else:
            assert self.raw is not None
            maps = decoded(self.kernel, self.raw, *part)
        return maps if self.strength == 1 else self.kernel.scaled(maps, self.strength)

    def unfiltered(self) -> Tensor:
        """Return a copy of the image, its pixels repeated where the result has finer ones."""
        image, factor = self.observation.image, self.kernel.factor
        return image.clone() if factor == 1 else enlarged(image, factor)

    @torch.no_grad()
    def write(self, image: Tensor) -> Iterator[int]:
        """Write the filtered image into `image`, tile by tile; yield the number of pixels written so far.

        Pixels without an observed pixel in reach are NaN.
        """
        written = 0
        for part, tile in self.kernel.in_tiles(self.kernel.apply, self._filtered, self.parameters):
            if self.apart is not None:
                change = tile - self.apart.image[:, :, *part]
                tile = self.observation.image[:, :, *part] + channels(change)
            image[:, :, *part] = tile
            written += tile[0, 0].numel()
            yield written

    def completed(self, image: Tensor) -> tuple[Tensor, int]:
        """Return an image without the NaN that `write` has left in it, and the number of these pixels.

        Each takes the value of the nearest pixel that is not NaN.
        """
        if self.observation.seen is None:
            return image, 0
        blind = image.isnan()
        count = int(blind.any(1).sum())
        if not count:
            return image, 0
        ways = ORIENTATIONS if self.self_ensemble else ORIENTATIONS[:1]
        found = [way.undone(nearest(way.of(image), way.of(~blind))) for way in ways]
        return torch.stack(found).mean(0) if len(found) > 1 else found[0], count

    def image(self) -> tuple[Tensor, int]:
        """Return the filtered image, shape ``(1, C, factor H, factor W)``, as `completed` does."""
        image = self.observation.image.new_empty(1, self.observation.image.shape[1], *self.shape)
        for _ in self.write(image):
            pass
        return self.completed(image)

    @torch.no_grad()
    def noise_gain(self) -> Tensor:
        """Return the noise gain of the kernel at each pixel, shape ``(factor H, factor W)``.

        Where colours are filtered apart, it is the root mean square over brightness and differences, which
        is that over the channels.
        """
        gain = self.observation.image.new_empty(self.shape)
        for part, tile in self.kernel.in_tiles(self.kernel.noise_gain, self._filtered, self.parameters):
            gain[part] = tile[0, 0] if len(tile) == 1 else tile[:, 0].square().mean(0).sqrt()
        return gain

    def weights_at(self, row: int, column: int) -> Tensor:
        """Return the weights of pixels in one of the result, or in its brightness, as the kernel does."""
        brightness = self._filtered.first
        return self.kernel.weights_at(brightness, lambda *part: self.parameters(*part)[:1], row, column)


def _predicting(predictor: Predictor, observation: Observation) -> Steps[Tensor]:
    """Return encoded parameters, in steps."""
    yield "Predicting the parameters."
    if not isinstance(predictor, ParameterNetwork | StructureTensor):
        return predictor(observation).detach()
    strips = []
    for strip in predictor.strips(observation):
        strips.append(strip)
        yield "Predicting the parameters."
    return torch.cat(strips, 2)


def _apart(kernel: ProceduralKernel, whole: Observation) -> Observation | None:
    """Return brightness and colour differences as images of one channel; None if all are filtered alike.

    To be filtered apart, all channels must be known in the same pixels, and with about the same noise:
    otherwise that of one channel would get into the others. A guide tells all channels alike what to average.
    """
    seen = whole.seen
    alike = seen is None or bool((seen == seen[:, :1]).all())
    several = whole.image.shape[1] > 1
    if not (several and alike and whole.even and kernel.purpose == "denoise" and whole.guide is None):
        return None
    images = components(whole.image)
    known = None if seen is None else seen[:, :1].repeat(len(images), 1, 1, 1)
    return replace(whole, image=images, seen=known)


def enlarged(image: Tensor, factor: int) -> Tensor:
    """Return an image of shape ``(N, C, H, W)`` with each pixel repeated along both axes."""
    return image.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


def _filled(kernel: ProceduralKernel, observation: Observation) -> Observation:
    """Return an observation whose missing pixels are filled in.

    Their weight is 0, but grey-level distances compare them. Deconvolution has no weights that could leave
    them out, so it takes filled pixels for observed ones.
    """
    if observation.seen is None:
        return observation
    seen = None if kernel.purpose == "deblur" else observation.seen
    return replace(observation, image=observation.filled(), seen=seen)

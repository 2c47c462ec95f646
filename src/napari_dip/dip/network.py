"""The network of a fit, with its input."""

import torch
from torch import Tensor, nn

from napari_dip.dip.preparation import Preparation
from napari_dip.dip.settings import FitSettings
from napari_dip.errors import RestorationError
from napari_dip.networks.build import build
from napari_dip.networks.cuda_graph import record
from napari_dip.networks.output import Sieve, ToGreyLevels
from napari_dip.networks.precision import compute_dtype
from napari_dip.operators import Blur
from napari_dip.optim.iterate import State
from napari_dip.problem import Problem


def new_network(
    settings: FitSettings, prepared: Preparation, generator: torch.Generator, weights: State
) -> tuple[ToGreyLevels, Tensor, torch.Generator]:
    """Return a network before its fit, its input, and the generator of the input noise.

    They are on the device of the data.

    Parameters
    ----------
    settings : FitSettings
        Settings of the run.
    prepared : Preparation
        What is known before the fit.
    generator : torch.Generator
        Draws weights and input; on the CPU.
    weights : dict
        Weights to start from; none if it is empty.

    Raises
    ------
    RestorationError
        The weights are those of another network.
    """
    problem = prepared.validation.problem
    device, shape = problem.data.device, problem.grid.shape
    own = [] if settings.input == "guide" else [_input(settings, shape, generator)]
    z = torch.cat([*own, *prepared.seen], 1)
    network = build(settings.network, z.shape[1], problem.data.shape[1], shape)
    network.initialise(generator)
    if weights:
        if _shapes(weights) != _shapes(network.state_dict()):
            raise mismatched_state()
        network.load_state_dict(weights)
    layout = torch.channels_last if z.ndim == 4 else torch.channels_last_3d
    network.to(device).to(memory_format=layout)  # type: ignore[call-overload]
    z = z.to(device, compute_dtype(settings.precision, device), memory_format=layout)
    seed = int(torch.randint(2**62, (), generator=generator))
    network.train()
    if device.type == "cuda":
        record(network, z)
    scaled = ToGreyLevels(network, prepared.range, _sieve(settings, problem), problem.floor)
    return scaled, z, torch.Generator(device).manual_seed(seed)


def _input(settings: FitSettings, spatial: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return the network's own input for an image of this shape: coordinates or uniform noise."""
    shape = settings.network.input_shape(spatial)
    if settings.input == "coordinates":
        axes = [torch.linspace(0, 1, n, dtype=torch.float32) for n in shape]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    return 0.1 * torch.rand(1, settings.input_channels, *shape, generator=generator, dtype=torch.float32)


def _sieve(settings: FitSettings, problem: Problem) -> nn.Module | None:
    """Return the filter that removes details much finer than the point spread function, if there is one."""
    if not isinstance(problem.operator, Blur) or not settings.sieve_width:
        return None
    return Sieve(tuple(settings.sieve_width * width for width in problem.operator.widths))


def mismatched_state() -> RestorationError:
    """Return the error for an initial state of other settings."""
    return RestorationError(
        "The initial state comes from a network of another shape: settings and channels must be the same."
    )


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}

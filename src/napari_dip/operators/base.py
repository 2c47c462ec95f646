"""The base class of operators, the identity, and composition."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from napari_dip.image.grid import Grid


class Operator(nn.Module, ABC):
    """A linear map u = A x on batches of shape ``(N, C, *spatial)``, in 2-D and 3-D.

    A subclass implements ``forward``, and ``grid`` if x lies on another grid than the data.
    """

    @property
    def resembles_data(self) -> bool:
        """Whether x shows what the data show, with the same, finer or more pixels; not so for projections."""
        return False

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return A x."""

    def grid(self, data_shape: tuple[int, ...]) -> Grid:
        """Return the grid of x for data A x of the spatial shape `data_shape`."""
        return Grid.of_data(data_shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return Aᵀ y. The default is the vector-Jacobian product of ``forward``."""
        x = y.new_zeros((*y.shape[:2], *self.grid(tuple(y.shape[2:])).shape), requires_grad=True)
        with torch.enable_grad():
            (adjoint,) = torch.autograd.grad(self(x), x, y)
        return adjoint

    def of_channels(self, channels: list[int]) -> "Operator":
        """Return A for images that consist of some channels; the same, unless channels differ."""
        return self

    def __matmul__(self, other: "Operator") -> "Operator":
        """Return the operator that applies `other` first."""
        return Compose(self, other)


class Identity(Operator):
    """u = x: the operator of denoising, and of inpainting, where missing pixels have weight 0."""

    resembles_data = True

    def forward(self, x: Tensor) -> Tensor:
        """Return x."""
        return x


class Compose(Operator):
    """u = A B x.

    Parameters
    ----------
    outer, inner : Operator
        A and B.
    """

    def __init__(self, outer: Operator, inner: Operator) -> None:
        super().__init__()
        self.outer, self.inner = outer, inner

    @property
    def resembles_data(self) -> bool:
        """Whether both operators map between images that show the same."""
        return self.outer.resembles_data and self.inner.resembles_data

    def forward(self, x: Tensor) -> Tensor:
        """Return A (B x)."""
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Return Bᵀ (Aᵀ y)."""
        return self.inner.adjoint(self.outer.adjoint(y))

    def of_channels(self, channels: list[int]) -> Operator:
        """Return A B for images that consist of some channels."""
        return Compose(self.outer.of_channels(channels), self.inner.of_channels(channels))

    def grid(self, data_shape: tuple[int, ...]) -> Grid:
        """Return the grid of B's input, in pixels of A's output."""
        middle = self.outer.grid(data_shape)
        inner = self.inner.grid(middle.shape)
        step = tuple(a * b for a, b in zip(middle.step, inner.step, strict=True))
        origin = tuple(
            start + a * b for start, a, b in zip(middle.origin, middle.step, inner.origin, strict=True)
        )
        return Grid(inner.shape, step, origin)

"""The eight ways to mirror and turn an image, and what they do to a filter's parameters."""

from dataclasses import dataclass, replace
from itertools import product

from torch import Tensor

from napari_dip.pkn.observation import Observation


@dataclass(frozen=True)
class Orientation:
    """Rows and columns are mirrored, and then exchanged.

    Parameters
    ----------
    rows, columns : bool
        Mirror the order of the rows, or of the columns.
    transposed : bool
        Exchange rows and columns.
    """

    rows: bool
    columns: bool
    transposed: bool

    def of(self, x: Tensor) -> Tensor:
        """Return images or maps, shape ``(N, C, H, W)``, in this orientation."""
        x = x.flip(self._mirrored)
        return x.mT if self.transposed else x

    def undone(self, x: Tensor) -> Tensor:
        """Return images or maps of this orientation in the first one."""
        return (x.mT if self.transposed else x).flip(self._mirrored)

    def of_observation(self, observation: Observation) -> Observation:
        """Return everything that a kernel needs to know in this orientation."""
        signs = [self.sign(name) for name in ("m", "a", "b")]
        blur = observation.blur
        return replace(
            observation,
            image=self.of(observation.image),
            sigma=self.of(observation.sigma),
            seen=None if observation.seen is None else self.of(observation.seen),
            guide=None if observation.guide is None else self.of(observation.guide),
            blur=None if blur is None else blur * blur.new_tensor(signs).view(1, 3, 1, 1),
        )

    def sign(self, name: str) -> int:
        """Return -1 if a parameter changes its sign with the orientation, else 1.

        Of a Gaussian's precision exp [[m + a, b], [b, m − a]], a changes its sign where rows and columns are
        exchanged, and b where one of them is mirrored. So do the encoded parameters.
        """
        changed = {"a": self.transposed, "b": self.rows != self.columns}
        return -1 if changed.get(name) else 1

    @property
    def _mirrored(self) -> tuple[int, ...]:
        return (2,) * self.rows + (3,) * self.columns


#: All orientations, the one of the image first.
ORIENTATIONS = tuple(Orientation(*turns) for turns in product((False, True), repeat=3))

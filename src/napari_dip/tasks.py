"""What is to be undone: an operator, a noise model, and what has to be given."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from napari_dip.noise import NoiseModel, Unknown
from napari_dip.settings import check

if TYPE_CHECKING:
    from napari_dip.operators import Operator


class Task(Protocol):
    """A frozen dataclass of plain settings that names the operator A and the noise.

    Attributes
    ----------
    needs_missing : bool
        Whether there must be missing pixels.
    """

    needs_missing: ClassVar[bool]

    @property
    def noise(self) -> NoiseModel:
        """Noise of the data."""
        ...

    def operator(self) -> "Operator":
        """Return A."""
        ...


@dataclass(frozen=True)
class Denoise:
    """Take noise out of an image. Missing pixels, where there are any, are filled in too.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    """

    needs_missing: ClassVar[bool] = False
    noise: NoiseModel = Unknown()

    def __post_init__(self) -> None:
        check(self)

    def operator(self) -> "Operator":
        """Return the identity."""
        from napari_dip.operators import Identity

        return Identity()


@dataclass(frozen=True)
class Inpaint:
    """Fill in missing pixels: scratches, text, dead lines, holes. Noise elsewhere is taken out too.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    """

    needs_missing: ClassVar[bool] = True
    noise: NoiseModel = Unknown()

    def __post_init__(self) -> None:
        check(self)

    def operator(self) -> "Operator":
        """Return the identity: what is missing weighs nothing."""
        from napari_dip.operators import Identity

        return Identity()

"""Which axes of an array are spatial, which one is the channel axis, and which are frame axes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Channels = Literal["together", "separate"]
Role = Literal["spatial", "channel", "frame"]

_SPATIAL, _CHANNEL, _FRAME = "ZYX", "CS", "TPQRUV"
_SPARE = "".join(letter for letter in ascii_uppercase if letter not in _SPATIAL + _CHANNEL + _FRAME)
_WORDS = {
    "Z": ("z", "depth", "plane", "slice"),
    "Y": ("y", "row", "height", "dec"),
    "X": ("x", "column", "col", "width", "ra"),
    "C": ("c", "ch", "channel", "wavelength", "band"),
    "T": ("t", "time", "frame"),
    "P": ("p", "position", "scene", "field", "tile"),
}
_LETTER = {word: letter for letter, words in _WORDS.items() for word in words}


@dataclass(frozen=True)
class Axes:
    """The axes of an array, one letter for each.

    Z, Y and X are spatial axes: they are fitted as one image or volume. C and S (the samples of an RGB image)
    are channels. Every other letter (T time, P position, I anything) is a frame axis: its frames are restored
    one after another.

    Parameters
    ----------
    letters : str
        One letter for each axis of the array. No letter occurs twice.
    channels : {"together", "separate"}
        Fit all channels together, or each channel as an image of its own.
    """

    letters: str
    channels: Channels = "together"

    def __post_init__(self) -> None:
        letters = self.letters.upper()
        object.__setattr__(self, "letters", letters)
        if not letters.isalpha() or len(set(letters)) < len(letters):
            raise ValueError(f"axes must be letters, each once, such as TZYX or YXC, got {self.letters!r}")
        if not 2 <= len(self.spatial) <= 3:
            raise ValueError(f"axes must name two or three of Z, Y and X, got {self.letters!r}")
        if len([letter for letter in letters if letter in _CHANNEL]) > 1:
            raise ValueError(f"axes must name one channel axis at most, C or S, got {self.letters!r}")
        if self.channels not in ("together", "separate"):
            raise ValueError(f"channels must be 'together' or 'separate', got {self.channels!r}")

    @classmethod
    def guess(cls, shape: tuple[int, ...], channels: Channels = "together") -> Self:
        """Guess the axes from the shape alone.

        The last two axes are Y and X, unless the last one looks like RGB. All others are frame axes. A stack
        of planes is therefore a series of frames: for a volume, give the letters ``"ZYX"``.
        """
        colour = len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4
        image = "YXC" if colour else "YX"
        if len(shape) < len(image):
            raise ValueError(f"the image must have at least two axes, got shape {shape}")
        extra = len(shape) - len(image)
        if extra > len(_FRAME):
            raise ValueError(
                f"the image must have at most {len(image) + len(_FRAME)} axes, got shape {shape}"
            )
        return cls(_FRAME[:extra] + image, channels)

    @classmethod
    def named(cls, labels: Sequence[str], *, colour: bool = False, channels: Channels = "together") -> Self:
        """Guess the axes from their names, such as ``("time", "y", "x")``.

        Parameters
        ----------
        labels : sequence of str
            One word per axis, without the samples of an RGB image. If no word means X or Y, the last axes
            with unknown words take their place. Other axes with unknown words are frame axes.
        colour : bool
            The array has one more axis at the end: the samples of an RGB image.
        channels : {"together", "separate"}
            As in `Axes`.

        Raises
        ------
        ValueError
            There are too many axes.
        """
        letters = [_LETTER.get(label.strip().lower().removesuffix("s"), "") for label in labels]
        letters = ["" if letter in letters[:at] else letter for at, letter in enumerate(letters)]
        if colour:
            letters = ["" if letter == "C" else letter for letter in letters]
        for letter in "XY":
            if letter not in letters and "" in letters:
                letters[len(letters) - 1 - letters[::-1].index("")] = letter
        free = iter(letter for letter in _FRAME if letter not in letters)
        try:
            filled = [letter or next(free) for letter in letters]
        except StopIteration:
            raise ValueError(f"the image has too many axes: {len(labels)}") from None
        return cls("".join(filled) + ("C" if colour else ""), channels)

    @classmethod
    def of(cls, shape: tuple[int, ...], letters: str | None, channels: Channels) -> Self:
        """Return the axes with these letters, or a guess if there are none.

        Raises
        ------
        ValueError
            The letters are no axes of an array of this shape.
        """
        if letters is None:
            return cls.guess(shape, channels)
        if len(letters) != len(shape):
            raise ValueError(
                f"axes must have one letter for each axis of the image, got {letters!r} for shape {shape}"
            )
        return cls(letters, channels)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The role of each axis."""
        return tuple(
            "spatial" if letter in _SPATIAL else "channel" if letter in _CHANNEL else "frame"
            for letter in self.letters
        )

    def assigned(self, roles: Sequence[Role], channels: Channels) -> Self:
        """Return axes with other roles. An axis keeps its letter if that fits its new role.

        Raises
        ------
        ValueError
            No array can have axes with these roles.
        """
        if tuple(roles) == self.roles:
            return type(self)(self.letters, channels)
        spatial = iter(_SPATIAL[max(0, 3 - list(roles).count("spatial")) :])
        free = iter(letter for letter in _FRAME + _SPARE if letter not in self.letters)
        letters = []
        for role, was, letter in zip(roles, self.roles, self.letters, strict=True):
            if role == "spatial":
                letters.append(next(spatial, "Z"))  # a fourth one makes Z occur twice, which is refused
            elif role == "channel":
                letters.append("C")
            else:
                letters.append(letter if was == "frame" else next(free))
        return type(self)("".join(letters), channels)

    def plane_by_plane(self) -> Self:
        """Return axes for which the planes of a volume are frames."""
        if len(self.spatial) < 3:
            return self
        roles = list(self.roles)
        roles[self.letters.index("Z")] = "frame"
        return self.assigned(roles, self.channels)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Positions of the spatial axes."""
        return self._positions(lambda letter: letter in _SPATIAL)

    @property
    def channel(self) -> int | None:
        """Position of the axis whose channels are fitted together, or None."""
        if self.channels == "separate":
            return None
        return next(iter(self._positions(lambda letter: letter in _CHANNEL)), None)

    @property
    def frame_axes(self) -> tuple[int, ...]:
        """Positions of the frame axes."""
        used = {*self.spatial, self.channel}
        return tuple(axis for axis in range(len(self.letters)) if axis not in used)

    def _positions(self, wanted: Any) -> tuple[int, ...]:
        return tuple(axis for axis, letter in enumerate(self.letters) if wanted(letter))

    def describe(self, shape: tuple[int, ...]) -> str:
        """Describe how an array of this shape is restored, such as ``3-D volume of 5 x 64 x 32``."""

        def size(axes: tuple[int, ...]) -> str:
            return " x ".join(str(shape[axis]) for axis in axes)

        words = [
            f"{len(self.spatial)}-D {'volume' if len(self.spatial) == 3 else 'image'} of {size(self.spatial)}"
        ]
        if self.channel is not None:
            words.append(f"{shape[self.channel]} channels fitted together")
        if self.frame_axes:
            words.append(f"{math.prod(shape[axis] for axis in self.frame_axes)} frames one after another")
        return ", ".join(words)

    def frames(self, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the index of each frame along the frame axes. Without frame axes, yield ``()`` once."""
        yield from np.ndindex(*(shape[axis] for axis in self.frame_axes))

    def scene(self, frame: tuple[int, ...]) -> tuple[int, ...]:
        """Return the channel and position of a frame. Frames with equal ones show one scene over time."""
        letters = [self.letters[axis] for axis in self.frame_axes]
        return tuple(at for letter, at in zip(letters, frame, strict=True) if letter in _CHANNEL + "P")

    def channel_of(self, frame: tuple[int, ...]) -> int | None:
        """Return the channel that a frame consists of, or None if it is no frame of one channel."""
        letters = [self.letters[axis] for axis in self.frame_axes]
        return next((at for letter, at in zip(letters, frame, strict=True) if letter in _CHANNEL), None)

    def at(self, frame: tuple[int, ...]) -> tuple[int | slice, ...]:
        """Return the index of a frame in an array with all axes."""
        index: list[int | slice] = [slice(None)] * len(self.letters)
        for axis, place in zip(self.frame_axes, frame, strict=True):
            index[axis] = place
        return tuple(index)

    @property
    def _order(self) -> tuple[int, ...]:
        """The axes of a frame, in the order channel, spatial."""
        kept = [axis for axis in range(len(self.letters)) if axis not in self.frame_axes]
        wanted = [*([] if self.channel is None else [self.channel]), *self.spatial]
        return tuple(kept.index(axis) for axis in wanted)

    def to_batch(self, frame: "Tensor") -> "Tensor":
        """Return a frame as a batch of shape ``(1, C, *spatial)``."""
        x = frame.permute(self._order)
        return x[None] if self.channel is not None else x[None, None]

    def from_batch(self, x: "Tensor") -> "Tensor":
        """Return a batch of one image as a frame with its original axes, a view of x."""
        x = x[0] if self.channel is not None else x[0, 0]
        order = self._order
        return x.permute(tuple(order.index(axis) for axis in range(len(order))))

    def axes_of(self, name: str, part: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return which axes of an image of this shape an array has that may leave some of them out.

        Parameters
        ----------
        name : str
            What the array is called in the error message.
        part : tuple of int
            Shape of the array. It has all axes of the image, or all but the channels, or the spatial axes
            alone, or Y and X alone.
        shape : tuple of int
            Shape of the image.

        Raises
        ------
        ValueError
            The shape fits none of these.
        """
        without_channel = tuple(a for a in range(len(shape)) if self.letters[a] not in _CHANNEL)
        plane = tuple(axis for axis in self.spatial if self.letters[axis] != "Z")
        candidates = [tuple(range(len(shape))), without_channel, self.spatial, plane]
        for axes in candidates:
            if part == tuple(shape[axis] for axis in axes):
                return axes
        wanted = " or ".join(dict.fromkeys(str(tuple(shape[axis] for axis in axes)) for axes in candidates))
        raise ValueError(f"{name} must have the shape {wanted} to fit the image, got {part}")

    def broadcast(self, name: str, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return a mask as a view with all axes of an image of this shape.

        Axes that the mask leaves out are those that `axes_of` allows: the mask then serves all of them.

        Raises
        ------
        ValueError
            The mask's shape doesn't fit the image.
        """
        axes = self.axes_of(name, mask.shape, shape)
        full = np.expand_dims(mask, tuple(a for a in range(len(shape)) if a not in axes))
        return np.broadcast_to(full, shape)

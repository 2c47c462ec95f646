"""Which axes of an array are spatial, which one is the channel axis, and which are frame axes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from napari_dip.errors import InputError

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
#: Lengths of a last axis that holds colours, and of one that may hold channels, beside two longer axes.
_COLOURS, _FEW = (3, 4), (2, 5)
#: Greatest length of a last axis that may hold channels, if two axes are longer by at least this factor.
_MANY, _LONGER = 16, 4


class AmbiguousAxesError(InputError):
    """The last axis may hold channels, or be part of the image: the shape does not tell.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    choices : tuple of str
        The axes if the last one holds channels, and if it does not.
    """

    def __init__(self, shape: tuple[int, ...], choices: tuple[str, str]) -> None:
        self.shape, self.choices = shape, choices
        super().__init__("axes", self.ask('axes="{}"'))

    def ask(self, option: str) -> str:
        """Return the question for the user, with an option such as ``axes="{}"`` for each answer."""
        answers = (f"{option.format(letters)} for a {self.describe(letters)}" for letters in self.choices)
        return f"{self.question}: give {', or '.join(answers)}"

    @property
    def question(self) -> str:
        """What is not known, in words."""
        return f"the last axis of the shape {self.shape} may hold channels or be part of the image"

    def describe(self, letters: str) -> str:
        """Return in words what the array is with these axes."""
        return Axes(letters).describe(self.shape)


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
            raise InputError(
                "axes", f"axes must be letters, each once, such as TZYX or YXC, got {self.letters!r}"
            )
        if not 2 <= len(self.spatial) <= 3:
            raise InputError("axes", f"axes must name two or three of Z, Y and X, got {self.letters!r}")
        if len([letter for letter in letters if letter in _CHANNEL]) > 1:
            raise InputError("axes", f"axes must name one channel axis at most, C or S, got {self.letters!r}")
        if self.channels not in ("together", "separate"):
            raise InputError("channels", f"channels must be 'together' or 'separate', got {self.channels!r}")

    @classmethod
    def guess(cls, shape: tuple[int, ...], channels: Channels = "together") -> Self:
        """Guess the axes from the shape alone.

        The last two axes are Y and X, and all others are frame axes. But with three axes or more, a last axis
        of length 1 is a channel, and one of length 3 or 4 beside two longer axes holds RGB or RGBA. A stack
        of planes is therefore a series of frames: for a volume, give the letters ``"ZYX"``.

        Raises
        ------
        AmbiguousAxesError
            The last axis is so short that it may hold channels.
        InputError
            There are too few axes, or too many.
        """
        channel = _last_is_channel(shape)
        if channel is None:
            raise AmbiguousAxesError(shape, (cls._last(shape, "YXC").letters, cls._last(shape, "YX").letters))
        return cls._last(shape, "YXC" if channel else "YX", channels)

    @classmethod
    def _last(cls, shape: tuple[int, ...], image: str, channels: Channels = "together") -> Self:
        """Return axes that end with those of an image, after as many frame axes as the shape has."""
        extra = len(shape) - len(image)
        if extra < 0:
            raise InputError("image", f"the image must have at least two axes, got shape {shape}")
        if extra > len(_FRAME):
            raise InputError(
                "image", f"the image must have at most {len(image) + len(_FRAME)} axes, got shape {shape}"
            )
        return cls(_FRAME[:extra] + image, channels)

    @classmethod
    def named(
        cls,
        labels: Sequence[str],
        *,
        colour: bool = False,
        channels: Channels = "together",
        shape: tuple[int, ...] | None = None,
    ) -> Self:
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
        shape : tuple of int, optional
            Shape of the array. If no word tells what the last axis is, its length decides, as for `guess`.

        Raises
        ------
        AmbiguousAxesError
            The last axis is so short that it may hold channels, and no word tells.
        InputError
            There are too many axes.
        """
        letters = [_LETTER.get(label.strip().lower().removesuffix("s"), "") for label in labels]
        letters = ["" if letter in letters[:at] else letter for at, letter in enumerate(letters)]
        if colour:
            letters = ["" if letter == "C" else letter for letter in letters]
        # Room for Y and X before the last axis, if that one holds channels.
        room = letters[:-1].count("") + ("Y" in letters) >= 2
        told = colour or letters[-1:] != [""] or not room or bool(set(letters) & {"X", "C"})
        channel = False if shape is None or told else _last_is_channel(shape)
        if channel:
            letters[-1] = "C"
        found = cls._completed(letters, colour, channels)
        if channel is None:
            assert shape is not None
            with_channels = cls._completed([*letters[:-1], "C"], colour, channels)
            raise AmbiguousAxesError(shape, (with_channels.letters, found.letters))
        return found

    @classmethod
    def _completed(cls, letters: list[str], colour: bool, channels: Channels) -> Self:
        """Return axes with the unknown letters filled in."""
        letters = list(letters)
        for letter in "XY":
            if letter not in letters and "" in letters:
                letters[len(letters) - 1 - letters[::-1].index("")] = letter
        free = iter(letter for letter in _FRAME if letter not in letters)
        try:
            filled = [letter or next(free) for letter in letters]
        except StopIteration:
            raise InputError("image", f"the image has too many axes: {len(letters)}") from None
        return cls("".join(filled) + ("C" if colour else ""), channels)

    @classmethod
    def of(cls, shape: tuple[int, ...], letters: str | None, channels: Channels) -> Self:
        """Return the axes with these letters, or a guess if there are none.

        Raises
        ------
        InputError
            The letters are no axes of an array of this shape.
        """
        if letters is None:
            return cls.guess(shape, channels)
        if len(letters) != len(shape):
            raise InputError(
                "axes",
                f"axes must have one letter for each axis of the image, got {letters!r} for shape {shape}",
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
        InputError
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
            count = shape[self.channel]
            words.append("1 channel" if count == 1 else f"{count} channels fitted together")
        if self.frame_axes:
            count = math.prod(shape[axis] for axis in self.frame_axes)
            words.append("1 frame" if count == 1 else f"{count} frames one after another")
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

    def channels_first(self, frame: np.ndarray) -> np.ndarray:
        """Return a frame as a view of shape ``(C, *spatial)``."""
        x = frame.transpose(self._order)
        return x if self.channel is not None else x[None]

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
        InputError
            The shape fits none of these.
        """
        without_channel = tuple(a for a in range(len(shape)) if self.letters[a] not in _CHANNEL)
        plane = tuple(axis for axis in self.spatial if self.letters[axis] != "Z")
        candidates = [tuple(range(len(shape))), without_channel, self.spatial, plane]
        for axes in candidates:
            if part == tuple(shape[axis] for axis in axes):
                return axes
        wanted = " or ".join(dict.fromkeys(str(tuple(shape[axis] for axis in axes)) for axes in candidates))
        raise InputError(name, f"{name} must have the shape {wanted} to fit the image, got {part}")

    def broadcast(self, name: str, mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return a mask as a view with all axes of an image of this shape.

        Axes that the mask leaves out are those that `axes_of` allows: the mask then serves all of them.

        Raises
        ------
        InputError
            The mask's shape doesn't fit the image.
        """
        axes = self.axes_of(name, mask.shape, shape)
        full = np.expand_dims(mask, tuple(a for a in range(len(shape)) if a not in axes))
        return np.broadcast_to(full, shape)


def _last_is_channel(shape: tuple[int, ...]) -> bool | None:
    """Return whether the last axis holds channels; None if that can't be told from its length."""
    if len(shape) < 3:
        return False
    last, shorter = shape[-1], min(shape[-3:-1])
    if last == 1 or last in _COLOURS:
        return last == 1 or shorter > last
    few, many = last in _FEW and shorter > last, 1 < last <= _MANY and shorter >= _LONGER * last
    return None if few or many else False

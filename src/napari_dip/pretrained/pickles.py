"""What torch would make of the pickle of a network: found out without making it.

A pickle is a program for a small machine. Here it is run with stand-ins that have no memory of their own, and
of tensors only the sizes are checked. A function or class that weights do not need is refused.
"""

import io
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

_MOST_AXES = 64  # of a tensor
_SIZES = {
    "Float": 4,
    "Double": 8,
    "Half": 2,
    "BFloat16": 2,
    "Long": 8,
    "Int": 4,
    "Short": 2,
    "Char": 1,
    "Byte": 1,
    "Bool": 1,
    "ComplexFloat": 8,
    "ComplexDouble": 16,
}
_STORAGES = {f"torch.{kind}Storage": size for kind, size in _SIZES.items()} | {
    "torch.storage.UntypedStorage": 1
}
#: The instructions that torch follows when it opens nothing but weights.
_INSTRUCTIONS = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.REDUCE, pickle.BUILD, pickle.BINPERSID),
    *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2),
    *(pickle.LONG1, pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINSTRING),
    *(
        pickle.EMPTY_DICT,
        pickle.EMPTY_LIST,
        pickle.EMPTY_SET,
        pickle.EMPTY_TUPLE,
        pickle.APPEND,
        pickle.APPENDS,
    ),
    *(pickle.SETITEM, pickle.SETITEMS, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.BINGET, pickle.LONG_BINGET, pickle.BINPUT, pickle.LONG_BINPUT),
)


class TooLargeError(Exception):
    """A file claims more than it holds, or more than the limits allow; the message ends a sentence."""


class NotAllowedError(Exception):
    """A pickle needs a function or a class that weights do not need; the message is its name."""


#: Python's slow machine, whose memory grows with the pickle alone.
_Machine: Any = pickle._Unpickler


class Inspector(_Machine):
    """Runs a pickle with stand-ins."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        one[0]: _Machine.dispatch[one[0]] for one in _INSTRUCTIONS
    }

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, encoding="latin-1")
        #: Bytes of each storage, by its key.
        self.storages: dict[str, int] = {}
        self._names: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        """The names of functions and classes that the pickle needs."""
        return frozenset(self._names)

    def find_class(self, module: str, name: str) -> "_Name":
        """Return the stand-in of a function or class."""
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full not in _STORAGES and full not in _FUNCTIONS and not _DTYPE.fullmatch(full):
            raise NotAllowedError(re.sub(r"[^\w.]", "?", full)[:100])
        self._names.add(full)
        return _Name(full)

    def persistent_load(self, pid: Any) -> "_Storage":
        """Return the stand-in of a storage."""
        kind, storage, key, _, count, *view = pid
        if kind != "storage" or not isinstance(key, str) or any(one is not None for one in view):
            raise ValueError("another kind of storage")
        size = _STORAGES[storage.name]
        self.storages[key] = max(_count(count) * size, self.storages.get(key, 0))
        return _Storage(size, count)

    def load_setitem(self) -> None:
        """Set an item, if its key is a plain value."""
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Set items, if their keys are plain values."""
        _check_keys(self.stack[::2])
        super().load_setitems()

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems


class _Name(NamedTuple):
    """Stands in for a function or a class. A pickle can't change it."""

    name: str

    def __call__(self, *arguments: Any) -> Any:
        return _FUNCTIONS[self.name](*arguments)


class _Storage(NamedTuple):
    """Stands in for the memory of tensors: bytes of a value, and number of values."""

    size: int
    values: int


class _Ordered(OrderedDict[Any, Any]):
    """An ordered dictionary that takes no attributes but those of a state dictionary."""

    def __init__(self, pairs: Any = ()) -> None:
        _check_keys([key for key, _ in pairs])
        super().__init__(pairs)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        if set(state) - {"_metadata"}:
            raise ValueError("other attributes")


class _NumpyType:
    """Stands in for a dtype of numbers."""

    __slots__ = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *others = state
        if order not in ("<", ">", "|", "=") or others[:5] != [None, None, None, -1, -1]:
            raise ValueError("another dtype")


class _NumpyArray:
    """Stands in for an array of numbers."""

    __slots__ = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, _, data = state
        if not isinstance(kind, _NumpyType) or not isinstance(data, str | bytes):
            raise ValueError("another array")
        for n in shape[:_MOST_AXES]:
            _count(n)


def _count(value: Any) -> int:
    """Return a number of things, or refuse it."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("no number of things")
    return value


def _check_keys(keys: list[Any]) -> None:
    """Refuse keys that could be nested: Python would hash them without end."""
    if not all(isinstance(key, str | int | float | None) for key in keys):
        raise ValueError("another key")


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *others: Any) -> None:
    """Check that the values of a tensor lie in its storage, each in a place of its own."""
    sizes, steps = [*map(_count, shape[:_MOST_AXES])], [*map(_count, strides[:_MOST_AXES])]
    last = sum((n - 1) * step for n, step in zip(sizes, steps, strict=True)) if all(sizes) else -1
    if math.prod(sizes) > storage.values or _count(offset) + last >= max(storage.values, 1):
        raise TooLargeError("its weights claim more values than the file holds")
    if len(shape) > _MOST_AXES or any(others[2:]):
        raise ValueError("another kind of tensor")


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _encoded(text: Any, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise ValueError("another encoding")
    return text.encode(encoding)


def _numpy_type(code: Any, *_: Any) -> _NumpyType:
    if not re.fullmatch(r"[<>|=]?[biufc]\d{1,2}", code):
        raise NotAllowedError("numpy.dtype")
    return _NumpyType()


def _numpy_scalar(kind: Any, data: Any) -> None:
    if not isinstance(kind, _NumpyType) or not isinstance(data, str | bytes):
        raise ValueError("another number")


def _numpy_array(kind: Any, shape: Any, code: Any) -> _NumpyArray:
    if kind.name != "numpy.ndarray" or shape != (0,):
        raise ValueError("another array")
    return _NumpyArray()


def _plain_set(values: Any = ()) -> None:
    _check_keys(list(values))


def _no_bytes() -> bytes:
    return b""


def _complex(real: Any, imaginary: Any) -> complex:
    return complex(real, imaginary)


def _nothing(*_: Any) -> None:
    """Stand in for what has no size: a device, or a shape."""


def _not_called(*_: Any) -> None:
    """Refuse to make an array of any size."""
    raise ValueError("a class where a value is wanted")


_DTYPE = re.compile(r"torch\.(b?float|u?int|complex)\d+|torch\.bool")
_NUMPY = {
    f"numpy.{core}.multiarray.{name}": function
    for core in ("core", "_core")
    for name, function in (("scalar", _numpy_scalar), ("_reconstruct", _numpy_array))
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _Ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": _nothing,
    "torch.device": _nothing,
    "builtins.set": _plain_set,
    "builtins.bytes": _no_bytes,
    "builtins.complex": _complex,
    "_codecs.encode": _encoded,
    "numpy.dtype": _numpy_type,
    "numpy.ndarray": _not_called,
    **_NUMPY,
}

"""The names of methods and tasks that users meet: in forms, on layers and on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_dip.methods import (
    DIP,
    METHODS,
    PKN,
    Auto,
    FineTune,
    Method,
    NonLocalBayes,
    RichardsonLucy,
    Wiener,
)
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve, Task


@dataclass(frozen=True)
class MethodWords:
    """The names of a method.

    Parameters
    ----------
    title : str
        Name in forms and headings.
    command : str
        Name on the command line.
    essential : tuple of str
        Settings that a form always shows; it folds all others away.
    """

    title: str
    command: str
    essential: tuple[str, ...]


@dataclass(frozen=True)
class TaskWords:
    """The names of a task.

    Parameters
    ----------
    command : str
        Name on the command line.
    result : str
        Participle for its results, such as "denoised".
    """

    command: str
    result: str


_METHODS: Mapping[type[Method], MethodWords] = {
    Auto: MethodWords("Automatic", "auto", ()),
    DIP: MethodWords("Deep Image Prior", "dip", ("ensemble_size", "iterations", "time_limit")),
    PKN: MethodWords("Procedural Kernel Network", "pkn", ("kernel", "predictor", "strength")),
    FineTune: MethodWords("Fine-tuned network", "finetune", ("weights", "action", "iterations")),
    NonLocalBayes: MethodWords("Non-local Bayes", "nonlocal-bayes", ("strength", "recover_sources")),
    RichardsonLucy: MethodWords("Richardson-Lucy", "richardson-lucy", ("iterations",)),
    Wiener: MethodWords("Wiener filter", "wiener", ("balance",)),
}
_TASKS: Mapping[type[Task], TaskWords] = {
    Denoise: TaskWords("denoise", "denoised"),
    Inpaint: TaskWords("inpaint", "inpainted"),
    SuperResolve: TaskWords("super-resolve", "super-resolved"),
    Deconvolve: TaskWords("deconvolve", "deconvolved"),
}

#: All methods by their names on the command line, in the order in which users see them.
METHOD_NAMES: Mapping[str, type[Method]] = {_METHODS[cls].command: cls for cls in METHODS}


def words_of_method(cls: type[Method]) -> MethodWords:
    """Return the names of a method; a method of your own goes by the name of its class."""
    return _METHODS.get(cls, MethodWords(cls.__name__, cls.__name__.lower(), ()))


def words_of_task(cls: type[Task]) -> TaskWords:
    """Return the names of a task; a task of your own goes by the name of its class."""
    return _TASKS.get(cls, TaskWords(cls.__name__.lower(), "restored"))

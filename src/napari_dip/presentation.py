"""What users call methods and tasks: in forms, in the names of layers and on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_dip.methods import DIP, METHODS, PKN, FineTune, Method, RichardsonLucy, Wiener
from napari_dip.tasks import TASKS, Deconvolve, Denoise, Inpaint, SuperResolve, Task


@dataclass(frozen=True)
class MethodWords:
    """How a method is presented.

    Parameters
    ----------
    title : str
        Its name in forms and in the help.
    command : str
        Its name on the command line.
    essential : tuple of str
        The few settings that are shown at once; the others are folded away.
    """

    title: str
    command: str
    essential: tuple[str, ...]


@dataclass(frozen=True)
class TaskWords:
    """How a task is presented.

    Parameters
    ----------
    command : str
        Its name on the command line.
    result : str
        What its results are called, such as "denoised".
    """

    command: str
    result: str


_METHODS: Mapping[type[Method], MethodWords] = {
    DIP: MethodWords("Deep Image Prior", "dip", ("ensemble_size", "iterations", "time_limit")),
    PKN: MethodWords("Procedural Kernel Network", "pkn", ("kernel", "predictor", "strength")),
    FineTune: MethodWords("Fine-tuned network", "finetune", ("weights", "action", "iterations")),
    RichardsonLucy: MethodWords("Richardson-Lucy", "richardson-lucy", ("iterations",)),
    Wiener: MethodWords("Wiener filter", "wiener", ("balance",)),
}
_TASKS: Mapping[type[Task], TaskWords] = {
    Denoise: TaskWords("denoise", "denoised"),
    Inpaint: TaskWords("inpaint", "inpainted"),
    SuperResolve: TaskWords("super-resolve", "super-resolved"),
    Deconvolve: TaskWords("deconvolve", "deconvolved"),
}

#: Methods by their names on the command line, in the order in which they are offered.
METHOD_NAMES: Mapping[str, type[Method]] = {_METHODS[cls].command: cls for cls in METHODS}
#: Tasks by their names on the command line, in the order in which they are offered.
TASK_NAMES: Mapping[str, type[Task]] = {_TASKS[cls].command: cls for cls in TASKS}


def words_of_method(cls: type[Method]) -> MethodWords:
    """Return how a method is presented.

    A method that is not in the table, such as one of your own, goes by the name of its class.
    """
    return _METHODS.get(cls, MethodWords(cls.__name__, cls.__name__.lower(), ()))


def words_of_task(cls: type[Task]) -> TaskWords:
    """Return how a task is presented.

    A task that is not in the table, such as one of your own, goes by the name of its class.
    """
    return _TASKS.get(cls, TaskWords(cls.__name__.lower(), "restored"))

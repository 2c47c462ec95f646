"""Work that is done in steps, so that it can be stopped between them."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")
U = TypeVar("U")

#: Does one step from each yield to the next; yields a sentence about the next one, and returns the result.
Steps = Generator[str, None, T]


def finished(steps: Generator[Any, None, T]) -> T:
    """Do all steps and return their result, whatever they yield on the way."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def unless(late: Callable[[], bool], steps: Generator[Any, None, T]) -> T | None:
    """Do all steps and return their result; if it gets late between two of them, return None."""
    with closing(steps):
        while not late():
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
    return None


def announced(sentence: str, steps: Generator[Any, None, T]) -> Steps[T]:
    """Do all steps and return their result; yield a sentence before each, whatever they yield."""
    while True:
        yield sentence
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def silently(steps: Generator[Any, None, T]) -> Generator[None, None, T]:
    """Do all steps and return their result; yield None after each, whatever they yield."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        yield None


def showing(shown: Callable[[S], U], steps: Generator[S | None, None, T]) -> Generator[U | None, None, T]:
    """Do all steps and return their result; yield what a function makes of each value that they yield."""
    while True:
        try:
            found = next(steps)
        except StopIteration as end:
            return end.value
        yield None if found is None else shown(found)

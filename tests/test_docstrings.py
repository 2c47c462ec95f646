"""The examples of the public names run."""

import doctest
import inspect

import pytest

import napari_dip

PUBLIC = [name for name in napari_dip.__all__ if callable(getattr(napari_dip, name))]


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_run(name):
    thing = getattr(napari_dip, name)
    (test,) = (one for one in doctest.DocTestFinder(recurse=False).find(thing, name) if one.name == name)
    assert test.docstring
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert result.failed == 0


def test_every_public_function_has_an_example():
    functions = [name for name in PUBLIC if inspect.isfunction(getattr(napari_dip, name))]
    assert len(functions) >= 6
    assert not [name for name in functions if ">>> " not in (getattr(napari_dip, name).__doc__ or "")]
